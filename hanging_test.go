package agent_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// stuckFor returns an answer of an output that does not return from a write to the namespace
// until it is released, and then has taken the batch.
func stuckFor(namespace string, release <-chan struct{}) func(context.Context, agent.Batch) error {
	return func(_ context.Context, b agent.Batch) error {
		if b.Namespace == namespace {
			<-release
		}
		return nil
	}
}

func TestAnOutputThatDoesNotObeyItsContextHoldsUpOneNamespaceAndTheStatusSaysSo(t *testing.T) {
	for name, options := range map[string][]agent.Option{
		"without a store": nil,
		"with a store":    {agent.WithStore(agenttest.NewStore())},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, append(options, every(10*time.Second, "m"))...)
				w.registry.Assign(assign("web", "db")...)
				release := make(chan struct{})
				w.output.Answer(stuckFor("web", release))
				w.run()
				w.pass(5 * time.Minute)
				status := w.Status()
				require.Contains(t, status.Output.Problems[0], "the output has not returned from a write to namespace web that began at 2000-01-01T")
				require.GreaterOrEqual(t, status.Accounts["db"].Delivered, int64(29))
				require.LessOrEqual(t, status.Accounts["db"].Waiting, int64(1), "the other namespace has what is its own")
				require.GreaterOrEqual(t, status.Accounts["web"].Waiting, int64(29))
				require.LessOrEqual(t, len(w.output.Attempts())-len(w.output.Batches()), 2, "one write hangs, and one of the drainer")
				close(release)
				w.output.Answer(nil)
				w.pass(time.Minute)
				status = w.Status()
				require.Empty(t, status.Output.Problems)
				require.LessOrEqual(t, status.Accounts["web"].Waiting, int64(1))
				require.Empty(t, status.Output.Total.Dropped)
				w.stop()
			})
		})
	}
}

func TestTheStatusNamesTheTimeOfAWriteThatStillHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, agent.WithStore(agenttest.NewStore()), every(time.Hour, "m"))
		var writes atomic.Int32
		first, others := make(chan struct{}), make(chan struct{})
		w.output.Answer(func(context.Context, agent.Batch) error {
			if writes.Add(1) == 1 {
				<-first
			} else {
				<-others
			}
			return nil
		})
		w.run()
		w.pass(time.Second)
		require.NoError(t, w.Post(t.Context(), "web", metrics(1))) // it is not known yet that the first write hangs
		w.pass(10 * time.Second)
		require.Equal(t, int32(2), writes.Load())
		require.Contains(t, w.Status().Output.Problems[0], "began at 2000-01-01T00:00:00Z")
		close(first)
		synctest.Wait()
		require.Contains(t, w.Status().Output.Problems[0], "began at 2000-01-01T00:00:01Z")
		close(others)
		w.output.Answer(nil)
		w.pass(time.Minute)
		require.Empty(t, w.Status().Output.Problems)
		w.stop()
	})
}

func TestAPostGoesToTheStoreWhileTheOutputHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, agent.WithStore(agenttest.NewStore()))
		release := make(chan struct{})
		w.output.Answer(stuckFor("web", release))
		w.run()
		began := time.Now()
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
		began = time.Now()
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
		require.Zero(t, time.Since(began), "it is known that the write hangs")
		close(release)
		w.pass(time.Minute)
		require.Equal(t, agent.Account{Accepted: 2, Delivered: 2}, w.account("web"))
		require.Len(t, w.output.Named("RUN.m"), 3, "what was taken too late has arrived twice")
		w.stop()
	})
}

// busyDisk is a store that does not return from Put until it is released.
type busyDisk struct {
	agent.Store
	release chan struct{}
}

func (s busyDisk) Put(ctx context.Context, batches []agent.Batch) error {
	<-s.release
	return s.Store.Put(ctx, batches)
}

func TestTheStatusSaysThatTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := busyDisk{agenttest.NewStore(), make(chan struct{})}
		w := newWorld(t, agent.WithStore(s), every(10*time.Second, "m"))
		w.output.Fail(errAway)
		w.run()
		w.pass(time.Minute)
		require.Contains(t, w.Status().Output.Problems[0], "the store has not returned since 2000-01-01T")
		w.output.Heal()
		w.pass(time.Minute)
		require.GreaterOrEqual(t, len(w.output.Named("m")), 11, "the points go on without it")
		close(s.release)
		w.pass(time.Minute)
		require.Empty(t, w.Status().Output.Problems)
		w.stop()
	})
}
