package spool_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/spool"
)

func TestHealthyPathTouchesNoDisk(t *testing.T) {
	dir := t.TempDir()
	inner := &fakeOutput{}
	s := open(t, spool.Config{Dir: dir}, inner)
	for i := range 100 {
		write(t, s, batch("a", i, 1))
	}
	require.Equal(t, 100, inner.points("a"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "only the lock")
	require.Equal(t, "lock", entries[0].Name())
	require.Equal(t, delivery.Account{Accepted: 100, Delivered: 100}, s.Accounts()["a"])
}

func TestWritesWaitOnDiskUntilTheOutputIsBack(t *testing.T) {
	dir := t.TempDir()
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: dir}, inner)
	for i := range 50 {
		write(t, s, batch("a", i, 1))
		write(t, s, batch("b", i*10, 10))
	}
	require.Equal(t, int64(50), s.Accounts()["a"].Waiting)
	require.Equal(t, int64(500), s.Accounts()["b"].Waiting)
	require.Equal(t, errAway.Error(), s.down())

	inner.set(nil)
	eventually(t, func() bool { return s.waiting() == 0 }, "the backlog drains")
	require.Equal(t, 50, inner.points("a"))
	require.Equal(t, 500, inner.points("b"))
	require.Equal(t, delivery.Account{Accepted: 500, Delivered: 500}, s.Accounts()["b"])
	require.Less(t, len(inner.written()), 60, "batches of a namespace are delivered together")
	require.Empty(t, s.down())

	eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "*.*"))
		return err == nil && len(files) == 0
	}, "nothing is left on disk once drained")
}

func TestBatchesComeBackAsTheyWere(t *testing.T) {
	want := agent.Batch{Namespace: "söme.ns", Metrics: []agent.Metric{
		{Name: "a", Timestamp: 1 << 40, Tags: map[string]string{"host": "h", "x": "", "": "y"}, Value: -0.1},
		{Name: "", Timestamp: -5, Value: true},
		{Name: "b.c", Tags: map[string]string{"host": "h"}, Value: false},
		{Name: "d", Timestamp: 7, Tags: map[string]string{"host": "h"}, Value: "some\ntext"},
	}}
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: t.TempDir()}, inner)
	write(t, s, want)
	inner.set(nil)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	require.Equal(t, []agent.Batch{want}, inner.written())
}

func TestPermanentErrorOfALiveWriteIsTheCallers(t *testing.T) {
	refused := &agent.PermanentError{Reason: "bad_topic", Err: errors.New("E_BAD_TOPIC")}
	inner := &fakeOutput{}
	inner.set(func(context.Context, agent.Batch) error { return refused })
	s := open(t, spool.Config{Dir: t.TempDir()}, inner)
	require.ErrorIs(t, s.Write(context.Background(), batch("a", 0, 1)), refused)
	require.Empty(t, s.Accounts(), "what was not accepted is in no account")
	require.Empty(t, s.down(), "the output works")
}

func TestPermanentErrorOfASpooledBatchDropsItAndGoesOn(t *testing.T) {
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: t.TempDir()}, inner)
	write(t, s, batch("bad", 0, 3))
	write(t, s, batch("good", 0, 4))
	write(t, s, batch("worse", 0, 5))
	inner.set(func(_ context.Context, b agent.Batch) error {
		switch b.Namespace {
		case "bad":
			return &agent.PermanentError{Reason: "bad_topic", Err: errors.New("E_BAD_TOPIC")}
		case "worse":
			return agent.Permanent(errors.New("no"))
		}
		return nil
	})
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	accounts := s.Accounts()
	requireBalance(t, accounts)
	require.Equal(t, map[string]int64{"bad_topic": 3}, accounts["bad"].Dropped)
	require.Equal(t, map[string]int64{"refused": 5}, accounts["worse"].Dropped)
	require.Equal(t, int64(4), accounts["good"].Delivered)
}

func TestHungOutputDelaysOneWriteByItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeOutput{}
		inner.set(hung)
		s := open(t, spool.Config{Dir: t.TempDir()}, inner)
		start := time.Now()
		write(t, s, batch("a", 0, 1))
		require.Equal(t, time.Second, time.Since(start))
		for i := range 100 {
			write(t, s, batch("a", i+1, 1))
		}
		require.Equal(t, time.Second, time.Since(start), "the others go straight to disk")
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestDeliveryResumesWithinTwoSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	cases := map[string]struct {
		outage func(context.Context, agent.Batch) error
		live   int // writes after the outage
	}{
		"of the backlog alone":   {away, 0},
		"of an output away":      {away, 1},
		"of an output that hung": {hung, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := &fakeOutput{}
				s := open(t, spool.Config{Dir: t.TempDir()}, inner)
				for outage := range 5 {
					inner.set(c.outage)
					for i := range 100 {
						write(t, s, batch("a", outage*1000+i, 1))
						time.Sleep(200 * time.Millisecond)
					}
					require.NotEmpty(t, s.down())
					before := inner.points("a")
					inner.set(nil)
					time.Sleep(time.Second)
					for i := range c.live {
						write(t, s, batch("a", outage*1000+500+i, 1))
					}
					time.Sleep(time.Second)
					require.Greater(t, inner.points("a"), before)
					require.Empty(t, s.down())
				}
				require.NoError(t, s.Close(t.Context()))
			})
		})
	}
}

func TestBacklogIsFoundAfterAReopen(t *testing.T) {
	dir := t.TempDir()
	inner := &fakeOutput{}
	inner.set(away)
	s := open(t, spool.Config{Dir: dir}, inner)
	for i := range 2000 {
		write(t, s, batch("a", i*5, 5))
		if i == 50 {
			break
		}
	}
	require.NoError(t, s.Close(context.Background()))
	require.NoError(t, s.Close(context.Background()))
	require.ErrorIs(t, s.Write(context.Background(), batch("a", 0, 1)), delivery.ErrStopped)

	again := open(t, spool.Config{Dir: dir}, inner)
	require.Equal(t, delivery.Account{Accepted: 255, Waiting: 255}, again.Accounts()["a"])
	inner.set(nil)
	eventually(t, func() bool { return again.waiting() == 0 }, "drained")
	require.Equal(t, 255, inner.points("a"))
}

func TestDirectoryHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir}, &fakeOutput{})
	_, err := spool.Open(spool.Config{Dir: dir})
	require.ErrorContains(t, err, dir+" is in use by process ")
	require.NoError(t, s.Close(context.Background()))
	open(t, spool.Config{Dir: dir}, &fakeOutput{})
}

func TestPartlyRefusedBatchCountsWhatIsSafe(t *testing.T) {
	partly := func(context.Context, agent.Batch) error {
		return &agent.PermanentError{Reason: "too_large", Points: 1, Err: errors.New("too large")}
	}
	inner := &fakeOutput{}
	inner.set(partly)
	s := open(t, spool.Config{Dir: t.TempDir()}, inner)
	require.Error(t, s.Write(context.Background(), batch("live", 0, 3)))
	require.Equal(t, delivery.Account{Accepted: 3, Delivered: 2, Dropped: map[string]int64{"too_large": 1}}, s.Accounts()["live"])

	inner.set(away)
	write(t, s, batch("spooled", 0, 3))
	inner.set(partly)
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	require.Equal(t, delivery.Account{Accepted: 3, Delivered: 2, Dropped: map[string]int64{"too_large": 1}}, s.Accounts()["spooled"])
}
