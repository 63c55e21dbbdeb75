package stock

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// slowOutput does not return from a write before it may.
type slowOutput struct {
	*agenttest.Output
	began, proceed chan struct{}
}

func (o slowOutput) Write(ctx context.Context, b agent.Batch) error {
	close(o.began)
	<-o.proceed
	return o.Output.Write(ctx, b)
}

func TestAnOutputIsClosedAfterItsLastWrite(t *testing.T) {
	slow := slowOutput{agenttest.NewOutput(), make(chan struct{}), make(chan struct{})}
	next := agenttest.NewOutput()
	s := newOutputSwitch(slow)
	batch := agent.Batch{Namespace: "web", Metrics: []agent.Metric{{Name: "a", Value: 1.0, Timestamp: 1}}}
	written, replaced := make(chan error, 1), make(chan error, 1)
	go func() { written <- s.Write(t.Context(), batch) }()
	<-slow.began
	go func() { replaced <- s.replace(t.Context(), next) }()
	require.Eventually(t, func() bool { return s.current() == agent.Output(next) }, 5*time.Second, time.Millisecond)
	require.NoError(t, s.Write(t.Context(), batch), "the next one takes points meanwhile")
	require.False(t, slow.Closed())
	close(slow.proceed)
	require.NoError(t, <-written)
	require.NoError(t, <-replaced)
	require.True(t, slow.Closed())
	require.False(t, next.Closed())
	require.NoError(t, s.Close(t.Context()))
	require.True(t, next.Closed())
}
