package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-multierror"
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
		agent.WithAssignmentCollector("Y", time.Second, nil),
		agent.WithAssignmentCollector("X", time.Second, assigned(perNamespace)),
		nil,
	)
	for _, want := range []string{
		"use WithRegistry", "use WithOutput",
		"WithBufferSize: 0 points", `WithHostname: "a b"`, "WithStateDir: the directory is empty",
		"WithUpdateInterval: 1ms", "WithShutdownTimeout: 0s", "WithLogger: the logger is nil",
		"WithPluginRunner: the runner is nil",
		"WithCollector: the kind is empty", "WithCollector X: the collector is nil",
		"WithCollector X: an interval of -1ns is negative", "WithCollector X: there is a collector of this kind already",
		"WithAssignmentCollector Y: the collector is nil", "WithAssignmentCollector X: there is a collector of this kind already",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = agent.New(agent.WithRegistry(nil), agent.WithOutput(nil), agent.WithStore(nil))
	require.ErrorContains(t, err, "WithStore: the store is nil")
	require.ErrorContains(t, err, "WithRegistry: the registry is nil")
	require.ErrorContains(t, err, "WithOutput: the output is nil")
}

func TestFaultsOfOptionsAreOneLineOrAList(t *testing.T) {
	_, err := agent.New(agent.WithOutput(agenttest.NewOutput()), agent.WithBufferSize(0), agent.WithTags(map[string]string{"": "x", "time": "y"}))
	require.EqualError(t, err, "make an agent: WithBufferSize: 0 points are too few; "+
		`WithTags: the tag "": the key is empty or has spaces or control characters, or a backslash at its end; `+
		`WithTags: the tag "time": InfluxDB uses this name itself: give the tag another name; `+
		"no registry says what to collect: use WithRegistry")
	require.Equal(t, err.Error(), fmt.Sprint(err))
	require.Equal(t, fmt.Sprintf("%q", err.Error()), fmt.Sprintf("%q", err))
	require.Equal(t, "make an agent:\n  - "+strings.ReplaceAll(strings.TrimPrefix(err.Error(), "make an agent: "), "; ", "\n  - "), fmt.Sprintf("%+v", err))

	var faults *multierror.Error
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults.Errors, 3)

	_, err = agent.New(agent.WithOutput(agenttest.NewOutput()))
	require.Equal(t, "make an agent: no registry says what to collect: use WithRegistry", fmt.Sprintf("%+v", err))
}

func TestASecondPartOfOneKindIsRefused(t *testing.T) {
	registry, output := agenttest.NewRegistry(), agenttest.NewOutput()
	_, err := agent.New(
		agent.WithRegistry(registry), agent.WithRegistry(registry),
		agent.WithOutput(output), agent.WithOutput(output),
		agent.WithPluginRunner(agenttest.NewPluginRunner()), agent.WithPluginRunner(agenttest.NewPluginRunner()),
		agent.WithStore(agenttest.NewStore()), agent.WithStore(agenttest.NewStore()),
	)
	for _, want := range []string{
		"WithRegistry: there is a registry already: join them with Registries", "WithOutput: there is an output already",
		"WithPluginRunner: there is a plugin runner already", "WithStore: there is a store already",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestPartsAreTakenOutOfOptions(t *testing.T) {
	registry, output := agenttest.NewRegistry(), agenttest.NewOutput()
	store, runner := agenttest.NewStore(), agenttest.NewPluginRunner()
	parts, rest := agent.SplitOptions(
		agent.WithRegistry(registry), agent.WithOutput(output), agent.WithStore(store), agent.WithPluginRunner(runner), agent.WithHostname("h9"))
	require.Equal(t, agent.Parts{Registry: registry, Output: output, Store: store, PluginRunner: runner}, parts)

	others := agenttest.NewOutput()
	a, err := agent.New(agent.WithRegistry(registry), agent.WithOutput(others), rest)
	require.NoError(t, err, "none of them is in the rest")
	require.Equal(t, "h9", a.Status().Hostname)

	parts, rest = agent.SplitOptions(agent.WithOutput(nil), agent.WithBufferSize(0), nil, agent.WithRegistry(registry), agent.WithRegistry(registry))
	require.Equal(t, agent.Parts{Registry: registry}, parts)
	_, err = agent.New(agent.WithRegistry(registry), agent.WithOutput(others), rest)
	require.EqualError(t, err, "make an agent: WithOutput: the output is nil; WithBufferSize: 0 points are too few; WithRegistry: there is a registry already: join them with Registries")
}

func TestReadyOnceAssignmentsAreInForce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Fail(errAway)
		w.run()
		w.pass(time.Minute)
		requireOpen(t, w.Ready())
		w.registry.Fail(nil)
		<-w.Ready()
		require.Equal(t, []string{"web"}, w.Namespaces())
		require.NoError(t, w.Update(t.Context()), "and stays so")
		<-w.Ready()
	})
}

func TestReadyWithoutAnyNamespace(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign()
		requireOpen(t, w.Ready())
		w.run()
		<-w.Ready()
	})
}

// What is remembered is in force before the registry can be asked.
func TestAgentThatIsReadyCanBeAsked(t *testing.T) {
	state := t.TempDir()
	for range 200 {
		a, err := agent.New(agent.WithHostname("h1"), agent.WithStateDir(state), agent.WithMachine("serial", "id"),
			agent.WithRegistry(agent.StaticRegistry("web")), agent.WithOutput(agenttest.NewOutput()), agent.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		<-a.Ready()
		asked := a.Update(ctx)
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, asked)
	}
}

func requireOpen(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		require.FailNow(t, "the channel is closed")
	default:
	}
}

func TestFunctionsServeAsRegistryAndOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, written := make(chan agent.Host, 1), make(chan agent.Batch, 1)
		a, err := agent.New(
			agent.WithRegistry(agent.RegistryFunc(func(_ context.Context, host agent.Host) ([]agent.Assignment, error) {
				asked <- host
				return []agent.Assignment{{Namespace: "web"}}, nil
			})),
			agent.WithOutput(agent.OutputFunc(func(_ context.Context, b agent.Batch) error { written <- b; return nil })),
			agent.WithHostname("h1"), every(time.Hour, "m"))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()
		require.Equal(t, "h1", (<-asked).Hostname)
		require.Equal(t, "web", (<-written).Namespace)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestStaticRegistryAssignsItsNamespacesToEveryHost(t *testing.T) {
	names := []string{"web", "db"}
	registry := agent.StaticRegistry(names...)
	names[0] = "changed"
	assignments, err := registry.Assignments(t.Context(), agent.Host{})
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{{Namespace: "web"}, {Namespace: "db"}}, assignments)
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

// The bubble fails if a goroutine is left.
func TestAgentThatIsNeverRunLeavesNoGoroutine(t *testing.T) {
	store := agenttest.NewStore()
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
		w.output.Fail(errAway)
		require.ErrorIs(t, w.Post(t.Context(), "web", metrics(1)), errAway, "Run opens the store")
		require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, w.account("web"))
		require.Empty(t, store.Batches())
	}, agent.WithStore(store))
}
