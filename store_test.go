package agent_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// panickingStore panics in every method while it is told to.
type panickingStore struct {
	keepingStore
	panics atomic.Bool
}

func (s *panickingStore) panic() {
	if s.panics.Load() {
		panic("ouch")
	}
}

func (s *panickingStore) Put(ctx context.Context, b []agent.Batch) error {
	s.panic()
	return s.keepingStore.Put(ctx, b)
}
func (s *panickingStore) Next(ctx context.Context) ([]agent.Batch, error) {
	s.panic()
	return nil, nil
}
func (s *panickingStore) Losses() []agent.Loss        { s.panic(); return nil }
func (s *panickingStore) Inspect() agent.StoreDetails { s.panic(); return agent.StoreDetails{} }
func (s *panickingStore) Waiting() map[string]int64   { s.panic(); return nil }

func TestPanickingStoreIsAFailingOne(t *testing.T) {
	store := &panickingStore{}
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		store.panics.Store(true)
		w.output.Fail(errAway)
		require.ErrorContains(t, w.Post(t.Context(), "web", metrics(1)), "panic: ouch")
		w.pass(time.Minute)
		require.Zero(t, w.account("web"))
		store.panics.Store(false)
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
		require.Equal(t, agent.Account{Accepted: 1, Waiting: 1}, w.account("web"))
	}, agent.WithStore(store))
}

func TestStoreThatDoesNotSayWhatItKeepsIsNotUsed(t *testing.T) {
	for name, hangs := range map[string]bool{"hangs": true, "panics": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				forever := make(chan struct{})
				w := newWorld(t, agent.WithStore(silentStore{&keepingStore{}, hangs, forever}))
				w.run()
				w.pass(time.Minute)
				require.Contains(t, strings.Join(w.Status().Output.Problems, "\n"), "the store is not used until the next start")
				require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
				w.output.Fail(errAway)
				require.Error(t, w.Post(t.Context(), "web", metrics(1)), "the output is away, and nothing is stored")
				w.output.Heal()
				w.stop()
				close(forever)
			})
		})
	}
}

// silentStore hangs or panics when it is asked for its batches.
type silentStore struct {
	agent.Store
	hangs   bool
	forever chan struct{}
}

func (s silentStore) Waiting() map[string]int64 {
	if s.hangs {
		<-s.forever
		return nil
	}
	panic("ouch")
}

func TestOutputThatPanicsUnderABacklogDoesNotEndTheAgent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Panic("ouch")
		w.run()
		w.pass(time.Minute)
		require.Equal(t, "panic: ouch", w.Status().Output.Error)
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
		w.output.Heal()
	}, every(10*time.Second, "m"), agent.WithStore(&keepingStore{}))
}

// inspectedOutput tells nothing but panics.
type inspectedOutput struct{ agent.Output }

func (inspectedOutput) InspectOutput() agent.OutputDetails { panic("ouch") }

func TestPanicOfAnInspectedOutputIsNotTheStatuss(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		require.Empty(t, w.Status().Output.Servers)
	}, agent.WithOutput(inspectedOutput{agenttest.NewOutput()}))
}

func TestStatusTellsThatPointsWaitInTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Fail(errAway)
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
		status := w.Status().Output
		require.Equal(t, "away", status.Error)
		require.Empty(t, status.Problems, "it is not said twice")
		require.NotNil(t, status.Disk)
	}, agent.WithStore(&keepingStore{}))
}

func TestPostOfWhichAllIsRefusedIsNotAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Fail(&agent.PermanentError{Reason: "bad", Points: 3, Err: errors.New("bad")})
		var permanent *agent.PermanentError
		err := w.Post(t.Context(), "web", metrics(3))
		require.ErrorAs(t, err, &permanent)
		require.NotErrorAs(t, err, new(*agent.PartlyRefusedError))
		require.Zero(t, w.account("web"))
	})
}
