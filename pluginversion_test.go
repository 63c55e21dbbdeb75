package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// versioned returns the plugin in a version.
func versioned(version string) agent.Plugin {
	p := plugin("mysql", time.Minute)
	p.Version = version
	return p
}

// reassign makes the registry name another version, and asks it.
func reassign(t *testing.T, w *world, version string) {
	t.Helper()
	assignPlugins(w, versioned(version))
	require.NoError(t, w.Update(t.Context()))
	synctest.Wait()
}

// prints runs the plugin and returns what it prints.
func prints(t *testing.T, w *world) string {
	t.Helper()
	result, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
	require.NoError(t, err)
	return string(result.Stdout)
}

// withVersions runs f with an agent whose registry names the version v1, of v1
// and v2. The options are its own.
func withVersions(t *testing.T, f func(t *testing.T, w *world), options ...agent.Option) {
	inBubble(t, func(t *testing.T, w *world) {
		w.runner.PublishVersion("org/mysql", "v1", agenttest.Program{Print: `[{"name":"v1","value":1}]`})
		w.runner.PublishVersion("org/mysql", "v2", agenttest.Program{Print: `[{"name":"v2","value":1}]`})
		assignPlugins(w, versioned("v1"))
		w.run()
		f(t, w)
		require.Empty(t, w.runner.Violations())
	}, options...)
}

func TestOldVersionRunsUntilTheNewOneIsThere(t *testing.T) {
	withVersions(t, func(t *testing.T, w *world) {
		w.runner.Installing.FailTimes(2, errAway)
		reassign(t, w, "v2")
		require.Contains(t, prints(t, w), "v1")
		require.Equal(t, "away", w.Plugins()[0].InstallError)
		require.Equal(t, "v1", w.Plugins()[0].Version)
		w.pass(20 * time.Second)
		require.Contains(t, prints(t, w), "v2")
		status := w.Plugins()[0]
		require.Empty(t, status.InstallError)
		require.Equal(t, []string{"v2", "registry"}, []string{status.Version, status.By})
		require.NotEmpty(t, status.Commit)
		require.Len(t, w.runner.Installs(), 2)
	})
}

func TestVersionThatTheRegistryCorrectsIsNotWaitedFor(t *testing.T) {
	withVersions(t, func(t *testing.T, w *world) {
		reassign(t, w, "v9")
		w.pass(time.Hour) // the pauses between attempts are long now
		require.Contains(t, w.Plugins()[0].InstallError, "has no version v9")
		reassign(t, w, "v2")
		require.Empty(t, w.Plugins()[0].InstallError)
		require.Contains(t, prints(t, w), "v2")
	})
}

func TestVersionThatThePolicyRefusesIsTriedAgainRarelyAndTheOldOneGoesOn(t *testing.T) {
	withVersions(t, func(t *testing.T, w *world) {
		w.runner.Installing.Fail(&agent.PolicyError{Rule: "policy.signers", Err: errAway})
		reassign(t, w, "v2")
		w.runner.Installing.Heal() // it is signed now
		w.output.Forget()
		w.pass(5*time.Minute - time.Second)
		require.Len(t, w.runner.Installs(), 1, "a server is not asked all the time for what is refused")
		require.Equal(t, "away", w.Plugins()[0].InstallError)
		results := w.output.Named("plugin.mysql")
		require.NotEmpty(t, results)
		require.Equal(t, "ok", results[0].Tags["result"])
		w.pass(5*time.Minute + time.Second)
		require.Empty(t, w.Plugins()[0].InstallError)
		require.Contains(t, prints(t, w), "v2")
	})
}

func TestUpdateTriesAtOnceToInstallWhatCouldNotBeInstalled(t *testing.T) {
	for name, err := range map[string]error{
		"away":    errAway,
		"refused": &agent.PolicyError{Rule: "policy.signers", Err: errAway},
	} {
		t.Run(name, func(t *testing.T) {
			withVersions(t, func(t *testing.T, w *world) {
				w.runner.Installing.Fail(err)
				reassign(t, w, "v2")
				w.pass(time.Hour) // the pauses between attempts are long now
				w.runner.Installing.Heal()
				require.NoError(t, w.Update(t.Context()))
				synctest.Wait()
				require.Empty(t, w.Plugins()[0].InstallError)
				require.Contains(t, prints(t, w), "v2")
				installs := len(w.runner.Installs())
				require.NoError(t, w.Update(t.Context()))
				synctest.Wait()
				require.Len(t, w.runner.Installs(), installs, "what is installed is not fetched again")
			})
		})
	}
}

func TestPluginThatThePolicyRefusesFailsAtEachInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.runner.Installing.Fail(&agent.PolicyError{Rule: "policy.plugins", Err: errAway})
		assignPlugins(w, versioned("v1"))
		w.run()
		w.pass(10 * time.Minute)
		require.Empty(t, w.runner.Installs())
		results := w.output.Named("plugin.mysql")
		require.Len(t, results, 10)
		for _, p := range results {
			require.Equal(t, 1.0, p.Value)
			require.Equal(t, "policy", p.Tags["result"])
		}
	})
}

func TestInstalledVersionRunsAfterARestartAlsoWhereTheNewOneCannotBeHad(t *testing.T) {
	for name, err := range map[string]error{
		"away":    errAway,
		"refused": &agent.PolicyError{Rule: "policy.pinned", Err: errAway},
	} {
		t.Run(name, func(t *testing.T) {
			withVersions(t, func(t *testing.T, w *world) {
				second := newWorld(t, agent.WithPluginRunner(w.runner))
				assignPlugins(second, versioned("v2"))
				w.runner.Installing.Fail(err)
				second.run()
				require.Contains(t, prints(t, second), "v1")
				require.Equal(t, "away", second.Plugins()[0].InstallError)
				second.stop()
				w.runner.Installing.Heal()
			})
		})
	}
}

func TestRollbackReturnsToTheVersionBeforeAndHoldsIt(t *testing.T) {
	withVersions(t, func(t *testing.T, w *world) {
		require.ErrorIs(t, w.RollbackPlugin(t.Context(), "web", "org/mysql"), agent.ErrNoEarlierVersion)
		require.Empty(t, w.Plugins()[0].InstallError, "nothing is wrong with what is installed")
		require.ErrorIs(t, w.RollbackPlugin(t.Context(), "web", "org/none"), agent.ErrNoPlugin)

		reassign(t, w, "v2")
		require.NoError(t, w.RollbackPlugin(t.Context(), "web", "git@git.test.com:org/mysql.git"))
		require.Contains(t, prints(t, w), "v1")
		require.Equal(t, "rollback", w.Plugins()[0].By)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Hour)
		require.Contains(t, prints(t, w), "v1", "the registry names v2 as before")

		second := newWorld(t, agent.WithPluginRunner(w.runner))
		assignPlugins(second, versioned("v2"))
		second.run()
		require.Contains(t, prints(t, second), "v1", "also after a restart")
		require.NoError(t, second.UpdatePlugin(t.Context(), "web", "org/mysql"))
		require.Contains(t, prints(t, second), "v2")
		require.Equal(t, "update", second.Plugins()[0].By)
		second.stop()
	})
}

func TestRollbackEndsTheAttemptsToInstallWhatTheRegistryNames(t *testing.T) {
	withVersions(t, func(t *testing.T, w *world) {
		reassign(t, w, "v2")
		w.runner.Installing.Fail(errAway)
		reassign(t, w, "v9")
		require.NoError(t, w.RollbackPlugin(t.Context(), "web", "org/mysql"))
		w.runner.Installing.Heal()
		w.pass(time.Hour)
		require.Empty(t, w.Plugins()[0].InstallError)
		require.Contains(t, prints(t, w), "v1")
		reassign(t, w, "v2")
		require.Contains(t, prints(t, w), "v2", "another version ends the hold")
	})
}

func TestRunnerWithoutEarlierVersionsSaysSo(t *testing.T) {
	type plain struct{ agent.PluginRunner }
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, versioned(""))
		w.run()
		err := w.RollbackPlugin(t.Context(), "web", "org/mysql")
		require.ErrorIs(t, err, agent.ErrNoEarlierVersion)
	}, agent.WithPluginRunner(plain{agenttest.NewPluginRunner()}))
}
