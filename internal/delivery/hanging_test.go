package delivery_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

// stuckStore does not return from Put until it is released, and then keeps the batches.
type stuckStore struct {
	*store
	release chan struct{}
}

func (s stuckStore) Put(ctx context.Context, batches []batch) error {
	<-s.release
	return s.store.Put(ctx, batches)
}

// stuckEngine starts an engine whose store hangs and whose output is away.
func stuckEngine(t *testing.T) (*engine, stuckStore) {
	s := stuckStore{&store{}, make(chan struct{})}
	e := &engine{t: t, output: &output{}, store: s.store, log: &logText{}}
	e.Engine = delivery.New(delivery.Config[int]{Output: e.output.write, Store: s, BufferSize: 1000, Logger: e.log.logger()})
	e.output.set(away)
	e.Start()
	return e, s
}

func TestPointsAreDeliveredThoughTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := stuckEngine(t)
		e.Add(batch{"ns", []int{1}})
		e.Add(batch{"other", []int{2}})
		time.Sleep(9 * time.Second)
		require.Zero(t, e.StoreHangsSince())
		time.Sleep(2 * time.Second)
		require.WithinDuration(t, time.Now().Add(-11*time.Second), e.StoreHangsSince(), 0)
		e.output.set(nil)
		time.Sleep(20 * time.Second)
		require.Equal(t, []int{1, 2}, e.output.points())
		require.Equal(t, delivery.Account{Accepted: 1, Delivered: 1}, e.account())
		close(s.release)
		synctest.Wait()
		require.Zero(t, e.StoreHangsSince())
		e.settle()
		delivered := e.output.points()
		require.Greater(t, len(delivered), 2, "what the store takes too late is delivered, too")
		_, total := e.Accounts()
		require.Equal(t, delivery.Account{Accepted: int64(len(delivered)), Delivered: int64(len(delivered))}, total)
		e.close()
	})
}

func TestWriteFailsWhileTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := stuckEngine(t)
		began := time.Now()
		require.ErrorContains(t, e.write(1), "the store has not returned within 10s")
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
		began = time.Now()
		require.ErrorContains(t, e.write(2), "nobody listens")
		require.Zero(t, time.Since(began), "it is known that the store hangs")
		require.Zero(t, e.account())
		close(s.release)
		synctest.Wait()
		require.Equal(t, int64(1), e.account().Accepted, "the store has it after all")
		require.NoError(t, e.write(3))
		e.output.set(nil)
		e.settle()
		require.Equal(t, []int{1, 3}, e.output.points())
		require.Equal(t, delivery.Account{Accepted: 2, Delivered: 2}, e.account())
		e.close()
	})
}

func TestManyWritersOutliveAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := stuckEngine(t)
		var writers sync.WaitGroup
		for i := range 100 {
			writers.Go(func() {
				for range 20 {
					_ = e.write(i)
					time.Sleep(time.Second)
				}
			})
		}
		time.Sleep(15 * time.Second)
		close(s.release)
		writers.Wait()
		e.output.set(nil)
		e.settle()
		account := e.account()
		require.Equal(t, int64(len(e.output.points())), account.Accepted)
		require.Equal(t, account.Accepted, account.Delivered)
		require.Empty(t, s.batches)
		e.close()
	})
}

// muteStore does not return from Losses until it is released.
type muteStore struct {
	*store
	release chan struct{}
}

func (s muteStore) Losses() []delivery.Loss {
	<-s.release
	return s.store.Losses()
}

func TestAStoreThatHangsInAnyOfItsMethodsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := muteStore{&store{}, make(chan struct{})}
		e := &engine{t: t, output: &output{}, store: s.store, log: &logText{}}
		e.Engine = delivery.New(delivery.Config[int]{Output: e.output.write, Store: s, BufferSize: 1000, Logger: e.log.logger()})
		e.Start()
		time.Sleep(11 * time.Second)
		require.WithinDuration(t, time.Now().Add(-11*time.Second), e.StoreHangsSince(), 0)
		require.NoError(t, e.write(1), "the output takes it")
		close(s.release)
		synctest.Wait()
		require.Zero(t, e.StoreHangsSince())
		e.close()
	})
}

func TestAnEngineWithoutAStoreHasNoneThatHangs(t *testing.T) {
	e := delivery.New(delivery.Config[int]{Output: away, Logger: slog.New(slog.DiscardHandler)})
	require.Zero(t, e.StoreHangsSince())
}
