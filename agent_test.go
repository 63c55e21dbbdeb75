package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestNewNamesEverythingThatIsMissingOrWrong(t *testing.T) {
	_, err := agent.New(
		agent.WithBufferSize(0),
		agent.WithHostname("a b"),
		agent.WithStateDir(""),
		agent.WithUpdateInterval(time.Millisecond),
		agent.WithShutdownTimeout(0),
		agent.WithLogger(nil),
		agent.WithPluginRunner(nil),
		agent.WithCollector("", time.Second, one("m")),
		agent.WithCollector("X", time.Second, nil),
		agent.WithCollector("X", -1, one("m")),
		agent.WithCollector("X", time.Second, one("m")),
		agent.WithCollector("X", time.Second, one("m")),
		nil,
	)
	for _, want := range []string{
		"use WithRegistry", "use WithOutput",
		"WithBufferSize: 0 points", `WithHostname: "a b"`, "WithStateDir: the directory is empty",
		"WithUpdateInterval: 1ms", "WithShutdownTimeout: 0s", "WithLogger: the logger is nil",
		"WithPluginRunner: the runner is nil",
		"WithCollector: the kind is empty", "WithCollector X: the collector is nil",
		"WithCollector X: an interval of -1ns is negative", "WithCollector X: there is a collector of this kind already",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = agent.New(agent.WithRegistry(nil), agent.WithOutput(nil))
	require.ErrorContains(t, err, "WithRegistry: the registry is nil")
	require.ErrorContains(t, err, "WithOutput: the output is nil")
}

func TestAgentCollectsAndDelivers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		points := w.output.WaitFor(t, 1)
		require.Equal(t, "web", points[0].Namespace)
		require.Equal(t, agent.Metric{
			Name: "m", Value: 1.0, Timestamp: time.Now().Unix(), Tags: map[string]string{"host": "h1"},
		}, points[0].Metric)
		require.Equal(t, []string{"web"}, w.Namespaces())
	}, every(10*time.Second, "m"))
}

func TestAgentRunsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		require.ErrorIs(t, w.Run(t.Context()), agent.ErrAlreadyRun)
		w.stop()
		require.ErrorIs(t, w.Run(t.Context()), agent.ErrAlreadyRun)
	})
}

func TestTwoAgentsLiveInOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newWorld(t, every(10*time.Second, "one")), newWorld(t, every(10*time.Second, "two"), agent.WithHostname("h2"))
		two.registry.Assign(agent.Assignment{Namespace: "db"})
		one.run()
		two.run()
		one.pass(time.Minute)
		one.stop()
		delivered := len(two.output.Points())
		two.output.WaitFor(t, delivered+1)
		two.stop()
		for name, o := range map[string]*agenttest.Output{"one": one.output, "two": two.output} {
			for _, p := range o.Points() {
				require.Equal(t, name, p.Name)
			}
		}
		require.Equal(t, "h2", two.output.Points()[0].Tags["host"])
	})
}

func TestCallsNeedARunningAgent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.ErrorIs(t, w.Update(t.Context()), agent.ErrNotRunning)
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)), "an output needs no running agent")
		require.Empty(t, w.Namespaces())
		w.run()
		w.stop()
		require.ErrorIs(t, w.Post(t.Context(), "web", metrics(1)), agent.ErrStopped)
		require.ErrorIs(t, w.Update(t.Context()), agent.ErrStopped)
		require.NotEmpty(t, w.Status().Hostname, "the status of a stopped agent")
	})
}
