package delivery_test

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

func TestStopWritesWaitsForThoseUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(slowly(500 * time.Millisecond))
		var writer sync.WaitGroup
		var err error
		writer.Go(func() { err = e.write(1) })
		synctest.Wait()
		began := time.Now()
		require.NoError(t, e.StopWrites(t.Context()))
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		writer.Wait()
		require.NoError(t, err)
		e.close()
	})
}

func TestStopWritesGivesUpThoseThatTakeTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(hung)
		e.Add(batch{"ns", []int{2}})
		var writer sync.WaitGroup
		var err error
		writer.Go(func() { err = e.write(1) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.NoError(t, e.StopWrites(ctx))
		writer.Wait()
		require.Error(t, err)
		require.Equal(t, delivery.Account{Accepted: 1, Waiting: 1}, e.account(), "what nobody waits for goes on")
		require.Zero(t, e.log.count("event=output_down"), "it was the engine that gave up")
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestAWriteThatTheOutputFailsAfterTheEndIsNotSaidToBeSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		release := make(chan struct{})
		e.output.set(func(context.Context, batch) error { <-release; return errAway })
		var writer sync.WaitGroup
		var err error
		writer.Go(func() { err = e.write(1) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.Error(t, e.StopWrites(ctx))
		require.ErrorContains(t, e.Close(ctx), "did not return")
		close(release)
		writer.Wait()
		require.ErrorIs(t, err, delivery.ErrStopped)
		require.Zero(t, e.account())
	})
}

func TestPointsThatWaitForTheNextAttemptAreTriedAgainAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(away)
		e.Add(batch{"ns", []int{1}})
		e.settle() // attempts are seconds apart now
		for attempts := e.output.count(); e.output.count() == attempts; {
			time.Sleep(10 * time.Millisecond)
		}
		e.output.set(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.NoError(t, e.Close(ctx))
		require.Equal(t, delivery.Account{Accepted: 1, Delivered: 1}, e.account())
	})
}

func TestPointsThatTheOutputDoesNotTakeByTheEndAreLostAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(away)
		e.Add(batch{"ns", []int{1, 2}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, e.Close(ctx), "did not take 2 points in time")
		require.LessOrEqual(t, e.output.count(), 20, "there is a pause between attempts")
		require.Equal(t, map[string]int64{delivery.DroppedShutdown: 2}, e.account().Dropped)
	})
}

func TestCloseLetsTheDrainerFinishItsWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &store{batches: []batch{{"ns", []int{1}}}}, "")
		e.output.set(slowly(300 * time.Millisecond))
		e.Start()
		synctest.Wait()
		e.close()
		require.Zero(t, e.store.kept())
		require.Equal(t, delivery.Account{Accepted: 1, Delivered: 1}, e.account())
	})
}

func TestAWriteThatIsCutShortByTheEndDoesNotSayThatTheOutputIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &store{batches: []batch{{"ns", []int{1}}}}, "")
		e.output.set(hung)
		e.Start()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.NoError(t, e.Close(ctx))
		require.Zero(t, e.log.count("event=output_down"))
		require.Equal(t, 1, e.store.kept())
	})
}

// earlierRun returns a directory with the accounts of a run that took a point.
func earlierRun(t *testing.T) (dir string) {
	dir = t.TempDir()
	e := newEngine(t, nil, dir)
	e.Start()
	require.NoError(t, e.write(1))
	e.close()
	return dir
}

func TestAccountsOfEarlierRunsAreKeptByAnEngineThatNeverStarted(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		dir := earlierRun(t)
		e := newEngine(t, nil, dir)
		e.close()
		requireEmpty(t, ".")
		require.Equal(t, delivery.Account{Accepted: 1, Delivered: 1}, newEngine(t, nil, dir).account())
	})
}

func TestBatchesThatAreAddedBeforeTheStartCountWithThoseOfEarlierRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, nil, earlierRun(t))
		e.Add(batch{"ns", []int{2}})
		e.settle()
		require.Equal(t, delivery.Account{Accepted: 2, Delivered: 2}, e.account())
		e.close()
	})
}

func TestWithoutADirectoryNothingIsSaved(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		require.NoError(t, e.write(1))
		e.settle()
		e.close()
	})
	requireEmpty(t, ".")
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// hangingStore hangs in one method at the end.
type hangingStore struct {
	*store
	method  string
	ending  chan struct{} // closed before the end
	forever chan struct{}
}

func (s hangingStore) call(method string) {
	select {
	case <-s.ending:
		if method == s.method {
			<-s.forever
		}
	default:
	}
}

func (s hangingStore) Rewind()                     { s.call("Rewind"); s.store.Rewind() }
func (s hangingStore) Losses() []delivery.Loss     { s.call("Losses"); return nil }
func (s hangingStore) Close(context.Context) error { s.call("Close"); return nil }

func TestCloseReturnsThoughTheStoreHangs(t *testing.T) {
	for _, method := range []string{"Rewind", "Losses", "Close"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := hangingStore{&store{}, method, make(chan struct{}), make(chan struct{})}
				e := delivery.New(delivery.Config[int]{Output: (&output{}).write, Store: s, Logger: slog.New(slog.DiscardHandler)})
				e.Start()
				synctest.Wait()
				close(s.ending)
				began := time.Now()
				require.ErrorContains(t, e.Close(t.Context()), "close the store")
				require.LessOrEqual(t, time.Since(began), 2*time.Second)
				close(s.forever)
			})
		})
	}
}
