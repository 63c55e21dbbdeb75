package agent_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// curious is a handler of log records that asks the agent about everything for
// each of them.
type curious struct {
	agent *atomic.Pointer[agent.Agent]
	asked *atomic.Int64
}

func (c curious) Enabled(context.Context, slog.Level) bool { return true }
func (c curious) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c curious) WithGroup(string) slog.Handler            { return c }

func (c curious) Handle(context.Context, slog.Record) error {
	if a := c.agent.Load(); a != nil {
		a.Status()
		a.Plugins()
		a.Namespaces()
		c.asked.Add(1)
	}
	return nil
}

func TestLoggerMayAskTheAgent(t *testing.T) {
	handler := curious{new(atomic.Pointer[agent.Agent]), new(atomic.Int64)}
	inBubble(t, func(t *testing.T, w *world) {
		handler.agent.Store(w.Agent)
		assignPlugins(w, plugin("mysql", time.Minute))
		w.runner.Updating.Fail(errAway)
		w.runner.Fail(errAway)
		w.registry.FailNamespace("gone", errAway)
		w.run()
		w.pass(2 * time.Minute)
		require.Error(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		w.registry.Fail(errAway)
		w.output.Fail(errAway)
		require.Error(t, w.Update(t.Context()))
		w.pass(20 * time.Minute) // the buffer gets full
		w.registry.Heal()
		w.output.Heal()
		w.runner.Heal()
		w.pass(5 * time.Minute)
		require.GreaterOrEqual(t, handler.asked.Load(), int64(8))
	},
		every(time.Second, "m"),
		agent.WithCollector("BAD", time.Minute, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "b b", Value: 1}}, errAway
		})),
		agent.WithLogger(slog.New(handler)))
}

// nosy is a runner that panics when it is asked about a plugin.
type nosy struct{ *agenttest.PluginRunner }

func (nosy) InspectPlugin(agent.Plugin) agent.PluginDetails { panic("ouch") }

func TestInspectorThatPanicsCostsOnlyWhatItKnows(t *testing.T) {
	runner := nosy{agenttest.NewPluginRunner()}
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.run()
		require.Len(t, w.Plugins(), 1)
		require.Equal(t, "org/mysql", w.Plugins()[0].Repo)
	}, agent.WithPluginRunner(runner))
}
