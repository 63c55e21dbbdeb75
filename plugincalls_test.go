package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestPluginWithoutIntervalRunsOnDemandOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("tool", 0))
		w.runner.Publish("org/tool", agenttest.Program{Print: "hello\n", PrintArgs: true})
		w.run()
		w.pass(time.Hour)
		require.Empty(t, w.runner.Runs())

		for _, repo := range []string{"org/tool", "git@git.test.com:org/tool.git", "https://git.test.com/org/tool.git"} {
			result, err := w.RunPlugin(t.Context(), "web", repo, []string{"-v"})
			require.NoError(t, err)
			require.Equal(t, "hello\n-v\n", string(result.Stdout))
			require.Equal(t, agent.RunOK, result.Result)
		}
		points := w.output.WaitFor(t, 3)
		for _, p := range points { // what it printed goes to the caller only
			require.Equal(t, "plugin.tool", p.Name)
			require.Equal(t, "call", p.Tags["type"])
		}
	})
}

func TestCallOfAPluginThatFailsReturnsItsOutputToo(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "why", ExitCode: 3}, func(t *testing.T, w *world) {
		result, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		var failed *agent.RunError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, 3, result.ExitCode)
		require.Equal(t, agent.RunExit, result.Result)
		require.Equal(t, "why", string(result.Stdout))
	})
}

func TestCallEndsWithItsContext(t *testing.T) {
	withPlugin(t, agenttest.Program{Hang: true}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		result, err := w.RunPlugin(ctx, "web", "org/mysql", nil)
		require.Error(t, err)
		require.Equal(t, agent.RunTimeout, result.Result)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestCallThatMakesNoSenseStartsNothing(t *testing.T) {
	withPlugin(t, agenttest.Program{Takes: 5 * time.Second, Print: "[]"}, func(t *testing.T, w *world) {
		call := func(namespace, repo string, args ...string) error {
			_, err := w.RunPlugin(t.Context(), namespace, repo, args)
			return err
		}
		var input *agent.InputError
		require.ErrorIs(t, call("db", "org/mysql"), agent.ErrNoPlugin)
		require.ErrorIs(t, call("web", "org/other"), agent.ErrNoPlugin)
		require.ErrorIs(t, call("web", "another/mysql"), agent.ErrNoPlugin)
		require.ErrorAs(t, call("web", "../../etc"), &input)
		require.ErrorAs(t, call("web", ""), &input)
		require.ErrorAs(t, call("web", "org/mysql", "x; rm -rf /"), &input)

		go func() { _ = call("web", "org/mysql") }()
		synctest.Wait()
		require.ErrorIs(t, call("web", "org/mysql"), agent.ErrPluginRunning)
		require.True(t, w.Plugins()[0].Running)
		require.Len(t, w.runner.WaitFor(t, 1), 1)
	})
}

func TestDisabledPluginRunsOnlyOnDemand(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		require.NoError(t, w.DisablePlugin(t.Context(), "web", "org/mysql"))
		require.False(t, w.Plugins()[0].Enabled)
		w.pass(10 * time.Minute)
		require.Empty(t, w.runner.Runs())
		_, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		require.NoError(t, err)

		require.NoError(t, w.EnablePlugin(t.Context(), "web", "org/mysql"))
		require.True(t, w.Plugins()[0].Enabled)
		w.pass(10 * time.Minute)
		require.Len(t, w.runner.Runs(), 11)
		require.ErrorIs(t, w.DisablePlugin(t.Context(), "web", "org/x"), agent.ErrNoPlugin)
		require.ErrorIs(t, w.EnablePlugin(t.Context(), "db", "org/mysql"), agent.ErrNoPlugin)
	})
}

func TestDisabledPluginIsEnabledAgainAfterADayAlsoOverRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		state := t.TempDir()
		start := func() *world {
			w := newWorld(t, agent.WithStateDir(state))
			assignPlugins(w, plugin("mysql", time.Minute))
			w.run()
			return w
		}
		first := start()
		require.NoError(t, first.DisablePlugin(t.Context(), "web", "org/mysql"))
		first.pass(12 * time.Hour)
		first.stop()
		second := start()
		require.False(t, second.Plugins()[0].Enabled)
		second.pass(12*time.Hour - time.Second)
		require.Empty(t, second.runner.Runs())
		second.pass(2 * time.Minute)
		require.NotEmpty(t, second.runner.Runs())
		require.True(t, second.Plugins()[0].Enabled)
		second.stop()
		third := start()
		require.True(t, third.Plugins()[0].Enabled)
		third.stop()
	})
}

func TestAClockThatWasSetBackDoesNotDisableForLonger(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "disabled.json"), []byte(`{"web/mysql":"2026-01-01T00:00:00Z"}`), 0o600))
	inBubble(t, func(t *testing.T, w *world) { // where it is the year 2000
		assignPlugins(w, plugin("mysql", time.Minute))
		w.runner.Publish("org/mysql", agenttest.Program{Print: "[]"})
		w.run()
		w.pass(time.Minute)
		require.True(t, w.Plugins()[0].Enabled)
		require.Len(t, w.runner.Runs(), 1)
	}, agent.WithStateDir(dir))
}

func TestCallOfAPluginThatIsBeingInstalledWaitsForThat(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.runner.Publish("org/mysql", agenttest.Program{Print: "[]"})
		w.runner.Installing.Slow(20 * time.Second)
		w.run()
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.RunPlugin(early, "web", "org/mysql", nil)
		require.ErrorContains(t, err, "it is still being installed", "within its own time limit")
		result, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		require.NoError(t, err)
		require.Equal(t, agent.RunOK, result.Result)
		require.Less(t, result.Duration, 1.0, "waiting is not running")
	})
}

func TestAPluginDoesNotRunBesideTheOneWhosePlaceItTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		other := plugin("mysql", 0)
		other.Repo = "other/mysql"
		assignPlugins(w, plugin("mysql", 0))
		w.run()
		w.runner.Hang()
		ended := make(chan error, 1)
		go func() {
			_, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
			ended <- err
		}()
		synctest.Wait()
		assignPlugins(w, other)
		w.runner.Installing.Heal()
		require.NoError(t, w.Update(t.Context()))
		synctest.Wait()
		_, err := w.RunPlugin(t.Context(), "web", "other/mysql", nil)
		require.ErrorIs(t, err, agent.ErrPluginRunning)
		w.runner.Heal()
		require.NoError(t, <-ended)
		_, err = w.RunPlugin(t.Context(), "web", "other/mysql", nil)
		require.NoError(t, err)
	})
}

func TestStopOfTheAgentIsNoFailureOfACalledPlugin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", 0))
		w.run()
		w.runner.Hang()
		ended := make(chan error, 1)
		go func() {
			_, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
			ended <- err
		}()
		synctest.Wait()
		w.stop()
		require.Error(t, <-ended)
		require.Empty(t, w.output.Named("plugin.mysql"))
		require.Zero(t, w.log.count("event=plugin_failed"))
	})
}

func TestReadingTheStatusOfADisabledPluginChangesNothing(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", 0))
		w.run()
		require.NoError(t, w.DisablePlugin(t.Context(), "web", "org/mysql"))
		before, err := os.ReadFile(filepath.Join(dir, "disabled.json"))
		require.NoError(t, err)
		w.pass(25 * time.Hour)
		require.True(t, w.Plugins()[0].Enabled)
		after, err := os.ReadFile(filepath.Join(dir, "disabled.json"))
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.Zero(t, w.log.count("event=plugin_enabled"))
	}, agent.WithStateDir(dir))
}

func TestLastRunOfAStatusBelongsToWhoAskedForIt(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		w.pass(time.Minute)
		w.Plugins()[0].LastRun.Error = "mine"
		require.Empty(t, w.Plugins()[0].LastRun.Error)
	})
}
