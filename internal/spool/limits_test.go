package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/spool"
)

func dirSize(t *testing.T, dir string) (size int64) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

func TestOldestPointsMakeRoomForNewOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	inner := &fakeOutput{}
	inner.set(away)
	const maxSize = 1 << 20
	s := open(t, spool.Config{Dir: dir, MaxSize: maxSize}, inner)
	const points = 60_000
	for i := range points / 100 {
		write(t, s, batch(fmt.Sprintf("ns%d", i%3), i*100, 100))
		require.LessOrEqual(t, dirSize(t, dir), int64(maxSize))
	}
	accounts := s.Accounts()
	requireBalance(t, accounts)
	var waiting int64
	for _, a := range accounts {
		require.NotZero(t, a.Dropped[spool.DroppedFull])
		waiting += a.Waiting
	}
	require.Greater(t, dirSize(t, dir), int64(maxSize/2), "the room is used")

	inner.set(nil)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	accounts = s.Accounts()
	requireBalance(t, accounts)
	delivered, oldest := 0, int64(points)
	for _, seen := range inner.seen {
		delivered += len(seen)
		for n := range seen {
			oldest = min(oldest, n)
		}
	}
	// What is written when its segment is dropped is lost only if that fails.
	require.GreaterOrEqual(t, int64(delivered), waiting-6000)
	require.True(t, inner.seen["ns0"][points-300] == 1 || inner.seen["ns1"][points-300] == 1, "the newest are there")
	require.Positive(t, oldest)
}

func TestBatchLargerThanTheSpoolIsRefused(t *testing.T) {
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: t.TempDir(), MaxSize: 1 << 20}, inner)
	err := s.Write(context.Background(), batch("a", 0, 100_000))
	require.ErrorContains(t, err, "do not fit into a spool of 1048576 bytes")
	require.ErrorIs(t, err, errAway)
	require.Empty(t, s.Accounts())
	inner.set(nil)
	write(t, s, batch("a", 0, 100_000))
}

func TestOldPointsAreDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(away)
		dir := t.TempDir()
		s := open(t, spool.Config{Dir: dir, MaxAge: time.Hour}, inner)
		for i := range 120 {
			write(t, s, batch("a", i, 1))
			time.Sleep(time.Minute)
		}
		accounts := s.Accounts()
		requireBalance(t, accounts)
		require.InDelta(t, 60, accounts["a"].Dropped[spool.DroppedAge], 9)
		inner.set(nil)
		time.Sleep(time.Minute)
		accounts = s.Accounts()
		requireBalance(t, accounts)
		require.Equal(t, int64(inner.points("a")), accounts["a"].Delivered)
		require.Zero(t, accounts["a"].Waiting)
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestUnusableDirectoryIsAClearError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := spool.Open(spool.Config{Dir: file})
	require.ErrorContains(t, err, file)
	_, err = spool.Open(spool.Config{})
	require.ErrorContains(t, err, "no directory")
}

func TestBatchThatIsNotTakenDoesNotBlockTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(away)
		s := open(t, spool.Config{Dir: t.TempDir()}, inner)
		write(t, s, batch("poison", 0, 10))
		for i := range 100 {
			write(t, s, batch("a", i, 1))
		}
		inner.set(func(_ context.Context, b agent.Batch) error {
			if b.Namespace == "poison" {
				return errAway
			}
			return nil
		})
		for i := range 100 {
			time.Sleep(100 * time.Millisecond)
			write(t, s, batch("a", 100+i, 1))
		}
		require.GreaterOrEqual(t, inner.points("a"), 199)
		accounts := s.Accounts()
		requireBalance(t, accounts)
		require.Equal(t, delivery.Account{Accepted: 10, Waiting: 10}, accounts["poison"])
		inner.set(nil)
		time.Sleep(2 * time.Second)
		require.Equal(t, 10, inner.points("poison"))
		requireBalance(t, s.Accounts())
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestSlowOutputStillGetsTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(away)
		s := open(t, spool.Config{Dir: t.TempDir()}, inner)
		write(t, s, batch("a", 0, 100))
		inner.set(func(ctx context.Context, _ agent.Batch) error {
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		time.Sleep(2 * time.Minute)
		require.Equal(t, 100, inner.points("a"))
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestCallerThatGivesUpIsNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(hung)
		s := open(t, spool.Config{Dir: t.TempDir()}, inner)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		require.ErrorIs(t, s.Write(ctx, batch("a", 0, 1)), context.Canceled)
		require.Empty(t, s.Accounts())
		require.Empty(t, s.down(), "it says nothing about the output")

		require.NoError(t, s.Close(t.Context()))
		require.Empty(t, s.Accounts(), "nor is it stored")
	})
}

func TestCallerInAHurryHasHalfOfItsTimeLeftForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(hung)
		s := open(t, spool.Config{Dir: t.TempDir()}, inner)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		started := time.Now()
		require.NoError(t, s.Write(ctx, batch("a", 0, 1)))
		require.Equal(t, 100*time.Millisecond, time.Since(started))
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestAccountsBalanceAtEveryMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	inner := &fakeOutput{}
	var calls int
	var mu sync.Mutex
	inner.set(func(context.Context, agent.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls/50%2 == 0 {
			return errAway
		}
		if calls%17 == 0 {
			return agent.Permanent(errors.New("no"))
		}
		return nil
	})
	s := open(t, spool.Config{Dir: t.TempDir(), MaxSize: 1 << 20}, inner)
	var writers sync.WaitGroup
	accepted := make([]int64, 8)
	for w := range accepted {
		writers.Go(func() {
			for i := range 300 {
				if s.Write(context.Background(), batch("a", w*10_000+i*20, 20)) == nil {
					accepted[w] += 20
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		requireBalance(t, s.Accounts())
		_ = s.spool.Inspect()
	}
	inner.set(nil)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	accounts := s.Accounts()
	requireBalance(t, accounts)
	var sum int64
	for _, n := range accepted {
		sum += n
	}
	require.Equal(t, sum, accounts["a"].Accepted)
}

func TestCloseWaitsForWritesAndDoesNotHangOnAHungOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		inner := &fakeOutput{}
		inner.set(hung)
		s := open(t, spool.Config{Dir: dir}, inner)
		var writers sync.WaitGroup
		for i := range 10 {
			writers.Go(func() { _ = s.Write(t.Context(), batch("a", i, 1)) })
		}
		time.Sleep(10 * time.Millisecond)
		started := time.Now()
		require.NoError(t, s.Close(t.Context()))
		require.Less(t, time.Since(started), 3*time.Second)
		writers.Wait()
		require.Equal(t, int64(10), s.Accounts()["a"].Waiting)
		require.ErrorIs(t, s.Write(t.Context(), batch("a", 0, 1)), delivery.ErrStopped)

		again := open(t, spool.Config{Dir: dir}, inner)
		require.Equal(t, int64(10), again.Accounts()["a"].Waiting)
		require.NoError(t, again.Close(t.Context()))
	})
}
