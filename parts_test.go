package agent_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// asking is a handler of log records that calls the agent for each of them.
type asking struct {
	agent *atomic.Pointer[agent.Agent]
	ask   func(*agent.Agent)
}

func (h asking) Enabled(context.Context, slog.Level) bool { return true }
func (h asking) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h asking) WithGroup(string) slog.Handler            { return h }

func (h asking) Handle(context.Context, slog.Record) error {
	if a := h.agent.Load(); a != nil {
		h.ask(a)
	}
	return nil
}

func TestLoggerMayAskTheAgent(t *testing.T) {
	var asked atomic.Int64
	handler := asking{new(atomic.Pointer[agent.Agent]), func(a *agent.Agent) {
		a.Status()
		a.Plugins()
		a.Namespaces()
		asked.Add(1)
	}}
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
		require.GreaterOrEqual(t, asked.Load(), int64(8))
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

// hangingRunner and hangingOutput do not answer when they are asked for their state.
type hangingRunner struct {
	*agenttest.PluginRunner
	release chan struct{}
}

func (p hangingRunner) InspectPlugin(agent.Plugin) agent.PluginDetails {
	<-p.release
	return agent.PluginDetails{}
}

type hangingOutput struct {
	*agenttest.Output
	release chan struct{}
}

func (p hangingOutput) InspectOutput() agent.OutputDetails {
	<-p.release
	return agent.OutputDetails{}
}

func TestInspectorThatHangsHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, agent.WithPluginRunner(hangingRunner{agenttest.NewPluginRunner(), release}),
			agent.WithOutput(hangingOutput{agenttest.NewOutput(), release}))
		assignPlugins(w, plugin("mysql", time.Minute), plugin("nginx", time.Minute), plugin("redis", time.Minute))
		w.run()
		began := time.Now()
		status := w.Status()
		require.LessOrEqual(t, time.Since(began), 2*time.Second, "a second for each part, not for each plugin")
		require.Len(t, status.Plugins, 3)
		require.Contains(t, status.Output.Problems[0], "the output does not report its state: it has not returned within 1s")
		began = time.Now()
		w.Status()
		require.Zero(t, time.Since(began), "it is not asked while it hangs")
		close(release)
		synctest.Wait()
		require.Empty(t, w.Status().Output.Problems, "it answers again")
		w.stop()
	})
}

func TestLoggerThatHangsOrPanicsCostsItsLines(t *testing.T) {
	release := make(chan struct{})
	for name, handle := range map[string]func(*agent.Agent){
		"hangs":  func(*agent.Agent) { <-release },
		"panics": func(*agent.Agent) { panic("ouch") },
	} {
		t.Run(name, func(t *testing.T) {
			release = make(chan struct{})
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				handler := asking{new(atomic.Pointer[agent.Agent]), handle}
				w := newWorld(t, agent.WithLogger(slog.New(handler)), every(10*time.Second, "m"))
				handler.agent.Store(w.Agent)
				assignPlugins(w, plugin("mysql", time.Minute))
				w.runner.Fail(errAway)
				w.run()
				w.pass(5 * time.Minute)
				require.GreaterOrEqual(t, len(w.output.Named("m")), 29)
				require.NotEmpty(t, w.output.Named("plugin.mysql"))
				w.registry.Assign(assign("web", "db")...)
				require.NoError(t, w.Update(t.Context()))
				require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
				require.Equal(t, []string{"db", "web"}, w.Namespaces())
				w.stop()
				close(release)
			})
		})
	}
}
