package delivery_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

// settle lets a minute pass, in which everything deliverable is delivered.
func (e *engine) settle() {
	time.Sleep(time.Minute)
	synctest.Wait()
}

func TestPointsThatNobodyWaitsForAreStoredWhileTheOutputIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		e.Add(batch{"ns", []int{1, 2}})
		e.settle()
		require.Equal(t, 1, e.store.kept())
		require.Equal(t, delivery.Account{Accepted: 2, Waiting: 2}, e.account())
		e.output.set(nil)
		e.settle()
		require.Zero(t, e.store.kept())
		require.Equal(t, delivery.Account{Accepted: 2, Delivered: 2}, e.account())
		e.close()
	})
}

func TestPointsStayInMemoryWhileTheStoreIsFullToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		full := errors.New("no space left")
		e.store.setFailing("Put", full)
		e.Add(batch{"ns", []int{1, 2}})
		err := e.write(3)
		require.ErrorIs(t, err, full)
		require.ErrorIs(t, err, errAway)
		require.Equal(t, delivery.Account{Accepted: 2, Waiting: 2}, e.account(), "what failed was not accepted")
		e.store.setFailing("", nil)
		e.settle()
		require.Equal(t, 1, e.store.kept())
		e.output.set(nil)
		e.settle()
		require.Equal(t, []int{1, 2}, e.output.points())
		e.close()
	})
}

func TestCallerWhoLeftIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(hung)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		require.ErrorIs(t, e.Write(ctx, batch{"ns", []int{1}}), context.Canceled)
		e.settle()
		require.Zero(t, e.store.kept())
		puts, _, _ := e.store.calls()
		require.Zero(t, puts)
		require.Zero(t, e.account())
		e.close()
	})
}

func TestRestOfAPieceThatDoesNotFitAnywhereIsTriedUntilItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		points := make([]int, 2500) // three writes of the drainer
		require.NoError(t, e.write(points...))
		e.store.setFailing("Done", errors.New("no space left"))
		writes := 0
		e.output.set(func(context.Context, batch) error {
			if writes++; writes > 1 && writes < 20 {
				return errAway
			}
			return nil
		})
		e.settle()
		require.Equal(t, delivery.Account{Accepted: 2500, Delivered: 2500}, e.account())
		require.Len(t, e.output.points(), 2500, "none twice")
		e.close()
	})
}

func TestStoreThatCannotBeReadIsTriedAgainAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		require.NoError(t, e.write(1))
		e.store.setFailing("Next", errors.New("too many open files"))
		e.output.set(nil)
		require.NoError(t, e.write(2))
		e.settle()
		require.Equal(t, 1, e.log.count("cannot read the backlog"))
		e.store.setFailing("", nil)
		e.settle()
		require.Equal(t, []int{1, 2}, e.output.points())
		e.close()
	})
}

func TestLossesOfTheStoreAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		e := start(t, s)
		e.output.set(away)
		require.NoError(t, e.write(1, 2, 3))
		s.mu.Lock()
		s.losses = []delivery.Loss{{Namespace: "ns", Reason: "spool_full", Points: 2}}
		s.mu.Unlock()
		require.NoError(t, e.write(4))
		require.Equal(t, delivery.Account{Accepted: 4, Waiting: 2, Dropped: map[string]int64{"spool_full": 2}}, e.account())
		e.close()
	})
}

// TestNoReadingIsEverBelowAnEarlierOne reads the accounts while the output
// comes and goes: to Prometheus, a counter that goes back is a restart.
func TestNoReadingIsEverBelowAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(func(context.Context, batch) error {
			time.Sleep(rand.N(20 * time.Millisecond))
			switch rand.N(4) {
			case 0:
				return errAway
			case 1:
				return &delivery.Refusal{Reason: "bad", Points: 1, Err: errors.New("bad")}
			}
			return nil
		})
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				for i := range 200 {
					_ = e.write(i, i)
					e.Add(batch{"ns", []int{i}})
					time.Sleep(rand.N(10 * time.Millisecond))
				}
			})
		}
		done := make(chan struct{})
		work.Go(func() {
			var last delivery.Account
			for {
				now := e.account()
				require.GreaterOrEqual(t, now.Accepted, last.Accepted)
				require.GreaterOrEqual(t, now.Delivered, last.Delivered)
				require.GreaterOrEqual(t, now.Dropped["bad"], last.Dropped["bad"])
				require.GreaterOrEqual(t, now.Waiting, int64(0))
				last = now
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		time.Sleep(10 * time.Second)
		close(done)
		work.Wait()
		e.output.set(nil)
		e.settle()
		require.Zero(t, e.account().Waiting)
		e.close()
	})
}

func TestAccountsThatAreReadBelongToTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(refuse(1))
		e.Add(batch{"ns", []int{1}})
		e.settle()
		accounts, total := e.Accounts()
		accounts["ns"].Dropped["bad"] = 9
		total.Dropped["bad"] = 9
		require.Equal(t, map[string]int64{"bad": 1}, e.account().Dropped)
		e.close()
	})
}

func TestTheTotalIsTheSumOfAllNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(func(_ context.Context, b batch) error {
			return &delivery.Refusal{Reason: "bad in " + b.Namespace[:1], Points: 1, Err: errors.New("bad")}
		})
		for _, namespace := range []string{"a1", "a2", "b1"} {
			require.Error(t, e.Write(t.Context(), batch{namespace, []int{1, 2, 3}}))
		}
		e.output.set(away)
		require.NoError(t, e.write(1, 2))
		_, total := e.Accounts()
		require.Equal(t, delivery.Account{Accepted: 11, Delivered: 6, Waiting: 2, Dropped: map[string]int64{"bad in a": 2, "bad in b": 1}}, total)
		e.output.set(nil)
		e.settle()
		require.Equal(t, 1, e.log.count("event=output_up waiting=2"))
		e.close()
	})
}

func TestAccountsOfNamespacesThatAreGoneAreForgottenOnceTheyBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		for _, namespace := range []string{"own", "gone", "late"} {
			require.NoError(t, e.Write(t.Context(), batch{namespace, []int{1}}))
		}
		e.output.set(away)
		require.NoError(t, e.Write(t.Context(), batch{"waits", []int{1}}))
		time.Sleep(2 * time.Hour)
		require.NoError(t, e.Write(t.Context(), batch{"late", []int{1}}))
		_, before := e.Accounts()
		e.Forget([]string{"own"}, time.Hour)
		accounts, after := e.Accounts()
		require.Contains(t, accounts, "own")
		require.Contains(t, accounts, "waits")
		require.Contains(t, accounts, "late")
		require.NotContains(t, accounts, "gone")
		require.Len(t, accounts, 3)
		require.Equal(t, before, after, "the total does not go back")
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

// In TestNothingIsCalledWithALockHeld the logger, the output and the store ask for the
// accounts and the state.
func TestNothingIsCalledWithALockHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e *delivery.Engine[int]
		look := func() {
			e.Accounts()
			e.Down()
		}
		o := &output{answer: away}
		e = delivery.New(delivery.Config[int]{
			Output: func(ctx context.Context, b batch) error {
				look()
				e.Add(batch{"from the output", nil})
				return o.write(ctx, b)
			},
			Store:      &lookingStore{&store{}, look},
			BufferSize: 2,
			Logger:     slog.New(&lookingHandler{look}),
		})
		e.Start()
		for i := range 10 {
			e.Add(batch{"ns", []int{i, i}})
		}
		require.NoError(t, e.Write(t.Context(), batch{"ns", []int{1}}))
		time.Sleep(time.Minute)
		o.set(nil)
		time.Sleep(time.Minute)
		require.NotEmpty(t, o.points())
		require.NoError(t, e.Close(t.Context()))
	})
}

type lookingHandler struct{ look func() }

func (h *lookingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *lookingHandler) Handle(context.Context, slog.Record) error {
	h.look()
	return nil
}
func (h *lookingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *lookingHandler) WithGroup(string) slog.Handler      { return h }

type lookingStore struct {
	*store
	look func()
}

func (s *lookingStore) Put(ctx context.Context, batches []batch) error {
	s.look()
	return s.store.Put(ctx, batches)
}

func (s *lookingStore) Next(ctx context.Context) ([]batch, error) {
	s.look()
	return s.store.Next(ctx)
}

func (s *lookingStore) Done(ctx context.Context, rest []batch) error {
	s.look()
	return s.store.Done(ctx, rest)
}

func TestCloseReturnsThoughTheOutputNeverDoes(t *testing.T) {
	for name, s := range map[string]*store{"without a store": nil, "with one": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, s)
				release := make(chan struct{})
				e.output.set(func(context.Context, batch) error { <-release; return errAway })
				e.Add(batch{"ns", []int{1}})
				synctest.Wait()
				e.Add(batch{"ns", []int{2}})
				e.Add(batch{"ns", []int{3}})
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				began := time.Now()
				require.ErrorContains(t, e.Close(ctx), "did not return")
				require.LessOrEqual(t, time.Since(began), 3*time.Second+10*time.Millisecond)
				require.Equal(t, map[string]int64{"shutdown": 2}, e.account().Dropped, "what is in the output's hand is not known")
				close(release)
			})
		})
	}
}

func TestAWriteAfterTheEndIsRefusedAndAnAddIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		require.NoError(t, e.StopWrites(t.Context()))
		require.ErrorIs(t, e.write(1), delivery.ErrStopped)
		e.Add(batch{"ns", []int{1}})
		e.close()
		e.Add(batch{"ns", []int{2, 3}})
		require.Equal(t, delivery.Account{Accepted: 3, Delivered: 1, Dropped: map[string]int64{"shutdown": 2}}, e.account())
	})
}

func TestWhatIsNotTakenByTheEndIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(hung)
		e.Add(batch{"ns", []int{1, 2}})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.NoError(t, e.Close(ctx))
		require.Equal(t, 1, e.store.kept())
		require.Equal(t, delivery.Account{Accepted: 2, Waiting: 2}, e.account())
	})
}
