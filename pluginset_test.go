package agent_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestSecondPluginOfAProjectIsReportedAsAConflict(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		second := agent.Plugin{Namespace: "web", Name: "PLUGIN.other", Repo: "another/mysql", Interval: time.Minute}
		w.registry.Assign(
			agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{plugin("mysql", time.Minute), second}},
			agent.Assignment{Namespace: "db", Plugins: []agent.Plugin{{Name: "PLUGIN.mysql", Repo: "another/mysql", Interval: time.Minute}}},
		)
		w.run()
		problems := strings.Join(w.Status().Registry.Problems, "\n")
		require.Contains(t, problems, "PLUGIN.other")
		require.Contains(t, problems, "PLUGIN.mysql")
		w.pass(time.Minute)
		var ran []string
		for _, run := range w.runner.Runs() {
			ran = append(ran, run.Plugin.Namespace+" "+run.Plugin.Repo)
		}
		require.ElementsMatch(t, []string{"web org/mysql", "db another/mysql"}, ran, "another namespace is not a conflict")
	})
}

func TestFailedInstallIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.runner.Installing.FailTimes(3, errAway)
		w.run()
		require.Equal(t, "away", w.Plugins()[0].InstallError)
		_, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		require.ErrorContains(t, err, "not installed: away")
		w.pass(20 * time.Second)
		require.True(t, w.Plugins()[0].Installed)
		require.Empty(t, w.Plugins()[0].InstallError)
	})
}

func TestRunsBeginWhenTheFirstInstallHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.runner.Publish("org/mysql", agenttest.Program{Print: "[]"})
		w.runner.Installing.Slow(3 * time.Minute)
		w.run()
		w.pass(2 * time.Minute)
		require.Empty(t, w.output.Named("plugin.mysql"), "a slow install is not a failed run")
		w.pass(3 * time.Minute)
		points := w.output.Named("plugin.mysql")
		require.NotEmpty(t, points)
		require.Equal(t, 0.0, points[0].Value)
	})
}

func TestNewSettingsOfAPluginNeedNoNewInstall(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		changed := plugin("mysql", 30*time.Second)
		changed.Args = []string{"-servers", "x"}
		assignPlugins(w, changed)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Minute)
		require.Len(t, w.runner.Installs(), 1)
		require.Len(t, w.runner.Runs(), 2)
		require.Equal(t, []string{"-servers", "x"}, w.runner.Runs()[0].Args)
	})
}

func TestPluginFromAnotherRepositoryIsAnotherPlugin(t *testing.T) {
	withPlugin(t, agenttest.Program{Hang: true}, func(t *testing.T, w *world) {
		w.pass(time.Minute) // it runs
		moved := plugin("mysql", time.Minute)
		moved.Repo = "moved/mysql"
		assignPlugins(w, moved)
		require.NoError(t, w.Update(t.Context()))
		synctest.Wait()
		require.Len(t, w.runner.Installs(), 2)
		w.pass(2 * time.Minute)
		runs := w.runner.Runs()
		require.Equal(t, "moved/mysql", runs[len(runs)-1].Plugin.Repo)
	})
}

func TestRunOfAPluginThatIsNoLongerAssignedIsEnded(t *testing.T) {
	withPlugin(t, agenttest.Program{Hang: true}, func(t *testing.T, w *world) {
		for !w.Plugins()[0].Running {
			w.pass(time.Second)
		}
		assignPlugins(w)
		require.NoError(t, w.Update(t.Context()))
		synctest.Wait()
		require.Len(t, w.runner.Runs(), 1)
		require.Empty(t, w.Plugins())
		require.Empty(t, w.output.Points(), "that it was ended is not a fault of the plugin")
	})
}

func TestPluginThatIsNoLongerAssignedIsRemovedOnceAndOnlyWhenAGoodAnswerSaysSo(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		w.registry.Fail(errAway)
		require.Error(t, w.Update(t.Context()))
		synctest.Wait()
		require.Empty(t, w.runner.Removals())
		w.registry.Heal()

		assignPlugins(w)
		require.NoError(t, w.Update(t.Context()))
		synctest.Wait()
		require.Equal(t, []agent.Plugin{plugin("mysql", time.Minute)}, w.runner.Removals())

		assignPlugins(w, plugin("mysql", time.Minute))
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Minute)
		require.Len(t, w.runner.Installs(), 2)
		require.Equal(t, agent.RunOK, w.Plugins()[0].LastRun.Result)
		require.Len(t, w.runner.Removals(), 1)
	})
}

func TestPluginThatIsAssignedAgainWhileItIsRemovedIsInstalledAfterThat(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.runner.Installing.Slow(time.Minute)
		assignPlugins(w, plugin("mysql", time.Minute))
		w.run()
		assignPlugins(w)
		require.NoError(t, w.Update(t.Context()))
		assignPlugins(w, plugin("mysql", time.Minute))
		require.NoError(t, w.Update(t.Context()))
		w.pass(10 * time.Minute)
		require.Equal(t, agent.RunOK, w.Plugins()[0].LastRun.Result)
	})
}

func TestUpdateOfAPlugin(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "old"}, func(t *testing.T, w *world) {
		run := func() string {
			result, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
			require.NoError(t, err)
			return string(result.Stdout)
		}
		w.runner.Publish("org/mysql", agenttest.Program{Print: "new"})
		require.Equal(t, "old", run())
		w.runner.Updating.FailTimes(1, errAway)
		require.ErrorIs(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"), errAway)
		require.Equal(t, "old", run(), "all or nothing")
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		require.Equal(t, "new", run())
		require.ErrorIs(t, w.UpdatePlugin(t.Context(), "web", "org/x"), agent.ErrNoPlugin)
	})
}

func TestPluginThatHangsWhenFetchedHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute), plugin("redis", time.Minute))
		w.run()
		w.runner.Updating.Hang()
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			go func() { _ = w.UpdatePlugin(ctx, "web", "org/mysql") }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.UpdatePlugin(ctx, "web", "org/mysql"), context.DeadlineExceeded)

		assignPlugins(w, plugin("mysql", time.Minute), plugin("redis", time.Minute), plugin("new", time.Minute))
		require.NoError(t, w.Update(t.Context()))
		synctest.Wait()
		require.Len(t, w.runner.Installs(), 3)
	})
}

func TestAssignedPluginsWithoutARunnerAreAProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, output: agenttest.NewOutput(), registry: agenttest.NewRegistry()}
		assignPlugins(w, plugin("mysql", time.Minute))
		var err error
		w.Agent, err = agent.New(agent.WithRegistry(w.registry), agent.WithOutput(w.output))
		require.NoError(t, err)
		w.run()
		require.Contains(t, strings.Join(w.Status().Registry.Problems, "\n"), "no plugin runner")
		w.pass(10 * time.Minute)
		require.Empty(t, w.output.Points())
		_, err = w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		require.ErrorContains(t, err, "no plugin runner")
		require.ErrorContains(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"), "no plugin runner")
		w.stop()
	})
}

// TestNamespaceIsNeverSeenWithoutItsPlugins lets the agent save what it was told,
// which takes a while, between one assignment and the next.
func TestNamespaceIsNeverSeenWithoutItsPlugins(t *testing.T) {
	registry := agenttest.NewRegistry(agent.Assignment{Namespace: "n0"})
	a, err := agent.New(agent.WithRegistry(registry), agent.WithOutput(agenttest.NewOutput()),
		agent.WithPluginRunner(agenttest.NewPluginRunner()), agent.WithStateDir(t.TempDir()))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	<-a.Ready()
	require.NoError(t, a.Update(ctx)) // which ends the first conversation
	for i := range 30 {
		namespace := fmt.Sprintf("n%d", i+1)
		registry.Assign(agent.Assignment{Namespace: namespace, Plugins: []agent.Plugin{{Name: "PLUGIN.a", Repo: "org/a"}}})
		updated := make(chan error, 1)
		go func() { updated <- a.Update(ctx) }()
		require.Eventually(t, func() bool { return a.Namespaces()[0] == namespace }, 30*time.Second, 20*time.Microsecond)
		require.Len(t, a.Plugins(), 1)
		require.Equal(t, namespace, a.Plugins()[0].Namespace)
		require.NoError(t, <-updated)
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestPluginsAreListedByNamespaceAndThenByProject(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(
			agent.Assignment{Namespace: "a.b", Plugins: []agent.Plugin{{Name: "PLUGIN.y", Repo: "org/y"}}},
			agent.Assignment{Namespace: "a", Plugins: []agent.Plugin{{Name: "PLUGIN.x", Repo: "org/x"}}},
			agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{plugin("b", 0), plugin("a", 0)}},
		)
		w.run()
		var listed []string
		for _, p := range w.Plugins() {
			listed = append(listed, p.Namespace+" "+p.Repo)
		}
		require.Equal(t, []string{"a org/x", "a.b org/y", "web org/a", "web org/b"}, listed)
	})
}
