package delivery_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

func TestWhatTheStoreHasOfEarlierRunsIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{batches: []batch{{"ns", []int{1, 2}}, {"other", []int{3}}}})
		e.settle()
		require.Equal(t, []int{1, 2, 3}, e.output.points())
		require.Equal(t, delivery.Account{Accepted: 2, Delivered: 2}, e.account())
		_, total := e.Accounts()
		require.Equal(t, delivery.Account{Accepted: 3, Delivered: 3}, total)
		require.Equal(t, 1, e.log.count("event=store_emptied"))
		e.close()
	})
}

// forgetfulStore does not report its batches.
type forgetfulStore struct{ *store }

func (forgetfulStore) Waiting(context.Context) (map[string]int64, error) { return nil, nil }

func TestPointsThatTheStoreDidNotTellOfAreAcceptedWhenTheyAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &output{}
		log := &logText{}
		e := delivery.New(delivery.Config[int]{
			Output: o.write, Store: forgetfulStore{&store{batches: []batch{{"ns", []int{1, 2}}}}}, Logger: log.logger(),
		})
		e.Start()
		time.Sleep(time.Minute)
		accounts, _ := e.Accounts()
		require.Equal(t, delivery.Account{Accepted: 2, Delivered: 2}, accounts["ns"])
		require.NoError(t, e.Close(t.Context()))
	})
}

func TestLogTellsWhenTheStoreIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		for outage := 1; outage <= 2; outage++ {
			e.output.set(away)
			require.NoError(t, e.write(1))
			require.NoError(t, e.write(2))
			require.Equal(t, outage, e.log.count("event=store_used"))
			e.output.set(nil)
			e.settle()
			require.Equal(t, outage, e.log.count("event=store_emptied"))
		}
		e.close()
	})
}

// backlogOf starts an engine whose store has the batches and returns all of them at once. It
// returns the batches that the output receives.
func backlogOf(t *testing.T, backlog ...batch) (written []batch) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &store{atOnce: len(backlog), batches: backlog}, "")
		e.output.set(func(_ context.Context, b batch) error {
			written = append(written, b)
			return nil
		})
		e.Start()
		e.settle()
		e.close()
	})
	return written
}

func TestStoredBatchesAreWrittenANamespaceAfterTheOther(t *testing.T) {
	require.Equal(t, []batch{{"b", []int{1, 4, 6}}, {"a", []int{2, 5}}, {"c", []int{3}}},
		backlogOf(t, batch{"b", []int{1}}, batch{"a", []int{2}}, batch{"c", []int{3}}, batch{"b", []int{4}}, batch{"a", []int{5}}, batch{"b", []int{6}}))
}

func TestABacklogIsWrittenAThousandPointsAtATime(t *testing.T) {
	points := func(n int) batch { return batch{"ns", make([]int, n)} }
	var sizes []int
	for _, b := range backlogOf(t, points(500), points(500), points(1), points(1000), points(2500), points(999)) {
		sizes = append(sizes, len(b.Points))
	}
	require.Equal(t, []int{1000, 1, 1000, 1000, 1000, 500, 999}, sizes)
}

func TestABacklogIsWrittenInSmallerPartsToAnOutputThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(make([]int, 500)...))
		e.output.set(func(ctx context.Context, b batch) error {
			return slowly(time.Duration(len(b.Points))*50*time.Millisecond)(ctx, b) // 1 s is for 20
		})
		time.Sleep(3 * time.Minute)
		require.Equal(t, int64(500), e.account().Delivered)
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestAStoredPointThatTakesTheOutputSecondsIsWrittenAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(1))
		e.output.set(slowly(7 * time.Second))
		e.settle()
		require.Equal(t, []int{1}, e.output.points())
		e.close()
	})
}

func TestAnOutageDoesNotWriteTheBacklogToTheStoreAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(1))
		e.settle()
		puts, _, dones := e.store.calls()
		require.Equal(t, 1, puts)
		require.Zero(t, dones)
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestLossesThatReadingTheStoreFindsAreCountedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{losses: []delivery.Loss{{Namespace: "ns", Reason: "damaged", Points: 2}}})
		synctest.Wait()
		require.Equal(t, delivery.Account{Accepted: 2, Dropped: map[string]int64{"damaged": 2}}, e.account())
		e.close()
	})
}

func TestPartOfARefusedPieceThatFailsIsWrittenAgainAndTheRestIsNot(t *testing.T) {
	for name, failing := range map[string]int{"before the refused one": 0, "after it": 6} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t, &store{atOnce: 10, batches: []batch{
					{"ns", []int{0, 1}}, {"ns", []int{2, 3}}, {"ns", []int{4, 5}}, {"ns", []int{6, 7}}, {"ns", []int{8, 9}},
				}}, "")
				var failures []time.Time
				e.output.set(func(ctx context.Context, b batch) error {
					if !slices.Contains(b.Points, 3) && slices.Contains(b.Points, failing) && len(failures) < 5 {
						failures = append(failures, time.Now())
						return errAway
					}
					return refuse(3)(ctx, b)
				})
				e.Start()
				e.settle()
				require.Len(t, failures, 5)
				require.Len(t, slices.Compact(failures), 5, "there is a pause between attempts")
				require.Equal(t, []int{0, 1, 4, 5, 6, 7, 8, 9}, e.output.points(), "each once")
				require.Equal(t, delivery.Account{Accepted: 10, Delivered: 8, Dropped: map[string]int64{"bad": 2}}, e.account())
				e.close()
			})
		})
	}
}

// An output that takes everything but one namespace's batches is not down.
func TestBatchesThatTheOutputDoesNotTakeDoNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, &store{atOnce: 10, batches: []batch{{"stuck", []int{1}}, {"ns", []int{2}}, {"stuck", []int{3}}, {"ns", []int{4}}}}, "")
		e.output.set(func(_ context.Context, b batch) error {
			if b.Namespace == "stuck" {
				return errAway
			}
			return nil
		})
		e.Start()
		for range 50 {
			require.NoError(t, e.Write(t.Context(), batch{"new", []int{0}}))
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, int64(2), e.account().Delivered)
		require.NoError(t, e.Down())
		e.output.set(nil)
		e.settle()
		accounts, _ := e.Accounts()
		require.Equal(t, delivery.Account{Accepted: 2, Delivered: 2}, accounts["stuck"])
		require.Equal(t, []int{1, 2, 3, 4}, slices.DeleteFunc(e.output.points(), func(n int) bool { return n == 0 }))
		e.close()
	})
}

func TestStoreThatCannotRemoveWhatIsDeliveredIsAskedAgainAndNothingIsWrittenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(1))
		e.store.setFailing("Done", errors.New("no space left"))
		e.output.set(nil)
		time.Sleep(time.Minute)
		require.Equal(t, 1, e.store.kept())
		e.store.setFailing("", nil)
		e.settle()
		require.Zero(t, e.store.kept())
		require.Equal(t, []int{1}, e.output.points())
		e.close()
	})
}

func TestBatchesOfTheStoreAreNotChanged(t *testing.T) {
	backlog := []batch{{"ns", make([]int, 2500)}} // is written in three parts
	require.Len(t, backlogOf(t, backlog...), 3)
	require.Len(t, backlog[0].Points, 2500)
}

func TestStoreThatCannotBeReadIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		e.store.setFailing("Next", errors.New("too many open files"))
		for i := range 100 {
			require.NoError(t, e.write(i))
			time.Sleep(10 * time.Millisecond)
		}
		_, nexts, _ := e.store.calls()
		require.LessOrEqual(t, nexts, 5, "in a second")
		e.store.setFailing("", nil)
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestAReadErrorThatComesBackIsLoggedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		for times := 1; times <= 2; times++ {
			e.output.set(away)
			require.NoError(t, e.write(1))
			e.settle()
			e.store.setFailing("Next", errors.New("too many open files"))
			require.NoError(t, e.write(2))
			e.output.set(nil)
			e.settle()
			require.Equal(t, times, e.log.count("cannot read the backlog"))
			e.store.setFailing("", nil)
			e.settle()
			require.Zero(t, e.account().Waiting)
		}
		e.close()
	})
}

func TestCallersWhoLeaveBeforeTheirBatchIsWrittenAreNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		release := make(chan struct{})
		e.output.set(func(context.Context, batch) error { <-release; return nil })
		var first sync.WaitGroup
		first.Go(func() { _ = e.write(1) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, e.Write(ctx, batch{"ns", []int{2}}), context.DeadlineExceeded)
		close(release)
		first.Wait()
		e.settle()
		require.Equal(t, []int{1}, e.output.points())
		require.Equal(t, delivery.Account{Accepted: 1, Delivered: 1}, e.account())
		e.close()
	})
}
