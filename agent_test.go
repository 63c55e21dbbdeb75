package agent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

type reg []agent.Assignment

func (r reg) Assignments(context.Context, agent.Host) ([]agent.Assignment, error) { return r, nil }

type out struct{ c chan agent.Batch }

func (o out) Write(_ context.Context, b agent.Batch) error { o.c <- b; return nil }
func (o out) Close(context.Context) error                  { return nil }

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := out{make(chan agent.Batch, 100)}
		a, err := agent.New(agent.WithRegistry(reg{{Namespace: "ns"}}), agent.WithOutput(o), agent.WithHostname("h"),
			agent.WithCollector("X", 10*time.Second, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
				return []agent.Metric{{Name: "x", Value: 1}}, nil
			})))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(25 * time.Second)
		cancel()
		require.NoError(t, <-done)
		require.Len(t, o.c, 5)
		t.Logf("%+v", <-o.c)
		t.Logf("%+v", a.Status())
	})
}
