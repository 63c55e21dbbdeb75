package delivery_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

func TestAnOutageIsLoggedOnceAndSoIsItsEnd(t *testing.T) {
	for where, s := range map[string]*store{"in memory": nil, "on disk": {}} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, s)
				e.Add(batch{"ns", []int{0}})
				e.settle()
				require.Zero(t, e.log.count("event=output_up"), "it was never away")
				e.output.set(away)
				for i := range 10 {
					e.Add(batch{"ns", []int{i}})
					time.Sleep(10 * time.Second)
				}
				require.Equal(t, 1, e.log.count("event=output_down"))
				require.Equal(t, 1, e.log.count("points wait "+where))
				e.output.set(nil)
				e.settle()
				require.Equal(t, 1, e.log.count("event=output_up"))
				e.close()
			})
		})
	}
}

func TestDownTellsWhyTheOutputIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		require.NoError(t, e.Down())
		time.Sleep(time.Hour)
		e.output.set(away)
		require.NoError(t, e.write(1))
		time.Sleep(time.Hour)
		require.Equal(t, errAway, e.Down())

		e.output.set(nil)
		e.settle()
		require.NoError(t, e.Down())
		e.close()
	})
}

func TestAWriteThatFailsAfterLaterOnesSucceededSpeaksOnlyForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(func(_ context.Context, b batch) error {
			switch b.Namespace {
			case "slow":
				time.Sleep(500 * time.Millisecond)
			case "slow and bad":
				time.Sleep(500 * time.Millisecond)
				return errAway
			}
			return nil
		})
		var slow sync.WaitGroup
		for _, namespace := range []string{"slow", "slow and bad", "quick"} {
			slow.Go(func() { _ = e.Write(context.Background(), batch{namespace, []int{1}}) })
			time.Sleep(100 * time.Millisecond)
		}
		slow.Wait()
		require.NoError(t, e.Down())
		require.Zero(t, e.log.count("event=output_down"))
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestARefusalDoesNotSayThatTheOutputIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(7))
		e.output.set(refuse(7))
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, map[string]int64{"bad": 1}, e.account().Dropped)
		require.Equal(t, errAway, e.Down())
		require.NoError(t, e.write(1))
		require.NoError(t, e.Down())
		puts, _, _ := e.store.calls()
		require.Equal(t, 1, puts, "nothing was stored: the new point was tried")
		e.close()
	})
}

func TestNewPointsDoNotEachTryAnOutputThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		for i := range 1000 {
			require.NoError(t, e.write(i))
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, e.output.count(), 50, "in 10 s: one of them a second, and the drainer's two to four")
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestANewPointFindsOutThatTheOutputIsBackWhileTheDrainerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.Write(t.Context(), batch{"hung", []int{1}}))
		e.output.set(func(ctx context.Context, b batch) error {
			if b.Namespace == "hung" {
				return hung(ctx, b)
			}
			return nil
		})
		began := time.Now()
		for !slices.Contains(e.output.points(), 2) {
			require.Less(t, time.Since(began), 2*time.Second)
			require.NoError(t, e.write(2))
			time.Sleep(50 * time.Millisecond)
		}
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestWhoWaitsOnlyForAShortTimeHasHalfOfItLeftForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(hung)
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.NoError(t, e.Write(ctx, batch{"ns", []int{1}}))
		require.Equal(t, 200*time.Millisecond, time.Since(began))
		require.Equal(t, 1, e.store.kept())
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestWithoutAStoreWhoWaitsGivesTheOutputAllOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(slowly(300 * time.Millisecond))
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		require.NoError(t, e.Write(ctx, batch{"ns", []int{1}}))
		e.close()
	})
}

func TestWritersOfManyNamespacesShareTheWritesOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{slow: 10 * time.Millisecond})
		e.output.set(away)
		require.NoError(t, e.write(0))
		before, _, _ := e.store.calls()
		var writers sync.WaitGroup
		for i := range 50 {
			writers.Go(func() { _ = e.Write(context.Background(), batch{strconv.Itoa(i), []int{i}}) })
		}
		writers.Wait()
		require.Equal(t, 51, e.store.kept())
		after, _, _ := e.store.calls()
		require.LessOrEqual(t, after-before, 3)
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestWhatIsStoredGoesOnAtOnceWhenTheOutputTakesANewPoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(1))
		e.settle()
		e.output.set(nil)
		require.NoError(t, e.write(2))
		synctest.Wait() // no time passes
		require.Equal(t, []int{1, 2}, e.output.points())
		e.close()
	})
}

func TestAttemptsAreSoonAgainAfterOneThatSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &output{answer: away}
		e := delivery.New(delivery.Config[int]{Output: o.write, BufferSize: 5000, Logger: new(logText).logger()})
		for range 3 {
			e.Add(batch{"ns", make([]int, 800)}) // each is a write of its own
		}
		time.Sleep(time.Minute)
		taken := make(chan bool)
		o.set(func(context.Context, batch) error {
			o.set(away)
			close(taken)
			return nil
		})
		<-taken
		before := o.count()
		time.Sleep(700 * time.Millisecond)
		require.GreaterOrEqual(t, o.count()-before, 3)
		o.set(nil)
		require.NoError(t, e.Close(t.Context()))
	})
}

func TestAttemptsAreSoonAgainInANewOutage(t *testing.T) {
	for name, c := range map[string]struct {
		store    *store
		attempts int
	}{"of the lane": {nil, 3}, "of the drainer": {&store{}, 5}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, c.store)
				for range 2 {
					e.output.set(away)
					before := e.output.count()
					e.Add(batch{"ns", []int{1}})
					time.Sleep(700 * time.Millisecond)
					require.GreaterOrEqual(t, e.output.count()-before, c.attempts)
					e.settle()
					e.output.set(nil)
					e.settle()
					require.Zero(t, e.account().Waiting)
				}
				e.close()
			})
		})
	}
}
