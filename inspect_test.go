package agent_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// tellingOutput and tellingRunner report their state, and fail to close.
type tellingOutput struct{ *agenttest.Output }

func (tellingOutput) InspectOutput() agent.OutputDetails {
	return agent.OutputDetails{Servers: []agent.ServerDetails{{Address: "q1:4150", State: "up"}}}
}

type tellingRunner struct{ *agenttest.PluginRunner }

func (tellingRunner) InspectPlugin(agent.Plugin) agent.PluginDetails {
	return agent.PluginDetails{Commit: "c0ffee"}
}

func (tellingRunner) Close(context.Context) error { return errors.New("the runner stays") }

// brokenStore is a store that fails to close.
type brokenStore struct{ keepingStore }

func (*brokenStore) Close(context.Context) error { return errors.New("the store stays") }

func TestStatusShowsWhatThePartsTell(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("nginx", time.Minute), plugin("mysql", time.Minute), plugin("bind", time.Minute))
		w.run()
		require.Equal(t, []agent.ServerDetails{{Address: "q1:4150", State: "up"}}, w.Status().Output.Servers)
		var repos []string
		for _, p := range w.Plugins() {
			require.Equal(t, "c0ffee", p.Commit)
			repos = append(repos, p.Repo)
		}
		require.Equal(t, []string{"org/bind", "org/mysql", "org/nginx"}, repos, "in order")
		require.ErrorContains(t, w.stopDirty(), "the runner stays")
	}, agent.WithOutput(tellingOutput{agenttest.NewOutput()}), agent.WithPluginRunner(tellingRunner{agenttest.NewPluginRunner()}))
}

func TestAStoreThatFailsToCloseIsTheErrorOfRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		require.ErrorContains(t, w.stopDirty(), "the store stays")
	}, agent.WithStore(&brokenStore{}))
}

func TestPluginsAreNotCalledAfterTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", 0))
		w.run()
		w.stop()
		_, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		require.ErrorIs(t, err, agent.ErrStopped)
	})
}

func TestACollectorThatWorksAgainIsSaidOnce(t *testing.T) {
	var works atomic.Bool
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(time.Minute)
		works.Store(true)
		w.pass(time.Minute)
		require.Equal(t, 1, w.log.count("a collector failed"))
		require.Equal(t, 1, w.log.count("a collector works again"))
		require.Empty(t, w.Status().Collectors[0].Error)
	}, agent.WithCollector("X", 10*time.Second, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		if works.Load() {
			return nil, nil
		}
		return nil, errAway
	})))
}

func TestMaxBodyHasBounds(t *testing.T) {
	for bytes, good := range map[int64]bool{1<<10 - 1: false, 1 << 10: true, 256 << 20: true, 256<<20 + 1: false} {
		_, err := agent.New(agent.WithRegistry(agenttest.NewRegistry()), agent.WithOutput(agenttest.NewOutput()), agent.WithMaxBody(bytes))
		require.Equal(t, good, err == nil, "%d: %v", bytes, err)
	}
}

func TestWriterOutputWritesEachBatchOnce(t *testing.T) {
	var text bytes.Buffer
	output := agent.NewWriterOutput(&text)
	for _, name := range []string{"a", "b"} {
		require.NoError(t, output.Write(t.Context(), agent.Batch{Namespace: "ns", Metrics: []agent.Metric{{Name: name, Value: 1.0, Timestamp: 7}}}))
	}
	require.Equal(t, "a value=1 7\nb value=1 7\n", text.String())
}

func TestAPluginsAuthorIsToldWhatIsWrongWithAMetric(t *testing.T) {
	for metric, want := range map[string]string{
		`1`:                                      "a number is not a metric",
		`{"name":1}`:                             "the name is a number: put it in quotes",
		`{"name":"a","value":1,"timestamp":"7"}`: "the timestamp is a string: write whole seconds",
		`{"name":"a","value":1,"tags":{"b":1}}`:  "in the tags there is a number",
	} {
		output, err := agent.DecodePluginOutput([]byte("[" + metric + "]"))
		require.NoError(t, err)
		require.Equal(t, 1, output.Bad)
		require.ErrorContains(t, output.Reasons[0], want)
	}
}
