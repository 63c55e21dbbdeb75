package agent_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestCheckIsGoodWhileTheAgentWorks(t *testing.T) {
	slow := agent.CollectorFunc(func(ctx context.Context) ([]agent.Metric, error) {
		<-ctx.Done() // a collector that hangs is not a fault of the agent
		return nil, ctx.Err()
	})
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Check(t.Context()), "before it runs")
		select {
		case <-w.Started():
			t.Fatal("it has not started")
		default:
		}
		w.run()
		<-w.Started()
		for range 10 {
			time.Sleep(time.Minute)
			require.NoError(t, w.Check(t.Context()))
		}
	}, agent.WithCollector("SLOW", 10*time.Second, slow))
}

func TestCheckFailsWhileTheStatusCannotBeHad(t *testing.T) {
	w := newWorld(t)
	release := w.Hold()
	for range 2 { // the second finds the first one under way
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.ErrorIs(t, w.Check(ctx), context.DeadlineExceeded)
		cancel()
	}
	release()
	require.NoError(t, w.Check(t.Context()))
}
