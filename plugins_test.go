package agent_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// plugin returns a plugin of the namespace web; 0: on demand only.
func plugin(project string, interval time.Duration) agent.Plugin {
	return agent.Plugin{Namespace: "web", Name: "PLUGIN." + project, Repo: "org/" + project, Interval: interval}
}

// assignPlugins assigns plugins in the namespace web.
func assignPlugins(w *world, plugins ...agent.Plugin) {
	w.registry.Assign(agent.Assignment{Namespace: "web", Plugins: plugins})
}

// withPlugin runs f with an agent that runs the plugin mysql every minute.
func withPlugin(t *testing.T, program agenttest.Program, f func(t *testing.T, w *world)) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.runner.Publish("org/mysql", program)
		w.run()
		f(t, w)
	})
}

func TestPluginIsInstalledAndItsMetricsAreSentUnderItsName(t *testing.T) {
	printed := `[{"name": "threads", "timestamp": 1500000000, "tags": {"port": "3306"}, "value": 12, "unknown": []}]`
	withPlugin(t, agenttest.Program{Print: printed}, func(t *testing.T, w *world) {
		w.pass(time.Minute)
		require.Equal(t, []agent.Plugin{plugin("mysql", time.Minute)}, w.runner.Installs())
		require.Len(t, w.runner.Runs(), 1)
		require.Equal(t, []point{{Namespace: "web", Metric: agent.Metric{
			Name: "PLUGIN.mysql.threads", Timestamp: 1500000000, Value: 12.0, Tags: map[string]string{"port": "3306", "host": "h1"},
		}}}, w.output.Named("PLUGIN.mysql.threads"))
		result := w.output.Named("plugin.mysql")[0]
		require.Equal(t, 0.0, result.Value)
		require.Equal(t, map[string]string{"type": "regular", "result": "ok", "host": "h1"}, result.Tags)
		status := w.Plugins()[0]
		require.True(t, status.Installed && status.Enabled && !status.Running)
		require.Equal(t, agent.RunOK, status.LastRun.Result)
		require.EqualValues(t, 1, status.Runs)
		require.Equal(t, 60.0, status.Interval)
	})
}

func TestFailedRunIsSentWithItsReason(t *testing.T) {
	for name, test := range map[string]struct {
		program agenttest.Program
		answer  error // in the program's place
		result  string
	}{
		"exit status":      {agenttest.Program{Print: "[]", ExitCode: 2}, nil, "exit"},
		"hangs":            {agenttest.Program{Hang: true}, nil, "timeout"},
		"prints nothing":   {agenttest.Program{}, nil, "output"},
		"prints text":      {agenttest.Program{Print: "all is well"}, nil, "output"},
		"prints null":      {agenttest.Program{Print: "null"}, nil, "output"},
		"prints an object": {agenttest.Program{Print: `{"name":"a","value":1}`}, nil, "output"},
		"prints half":      {agenttest.Program{Print: `[{"name":"a","value":1},`}, nil, "output"},
		"prints too much":  {agenttest.Program{}, &agent.RunError{Result: agent.RunOutput, Err: errors.New("more than 8 MiB")}, "output"},
		"cannot start":     {agenttest.Program{}, errors.New("fork failed"), "start"},
	} {
		t.Run(name, func(t *testing.T) {
			withPlugin(t, test.program, func(t *testing.T, w *world) {
				if test.answer != nil {
					w.runner.Answer(func(context.Context, agent.Plugin, []string) ([]byte, error) { return nil, test.answer })
				}
				w.pass(2 * time.Minute)
				result := w.output.Named("plugin.mysql")[0]
				require.Equal(t, 1.0, result.Value)
				require.Equal(t, test.result, result.Tags["result"])
				require.Empty(t, w.output.Named("PLUGIN.mysql.a"))
				status := w.Plugins()[0]
				require.Positive(t, status.Failures)
				require.NotEmpty(t, status.LastRun.Error)
			})
		})
	}
}

func TestBadMetricOfAPluginIsDroppedAndTheOthersAreSent(t *testing.T) {
	printed := `[{"name":"a","value":1}, {"name":"b b","value":1}, {"name":"c"}, "d", {"name":"","value":1}, {"value":1}, {"name":"e","value":[1]}, {"name":"f","value":true}, null]`
	withPlugin(t, agenttest.Program{Print: printed}, func(t *testing.T, w *world) {
		w.pass(time.Minute)
		var names []string
		for _, p := range w.output.Points() {
			names = append(names, p.Name)
		}
		slices.Sort(names)
		require.Equal(t, []string{"PLUGIN.mysql.a", "PLUGIN.mysql.f", "plugin.mysql"}, names)
		require.EqualValues(t, 7, w.Plugins()[0].Invalid)
		require.Equal(t, agent.RunOK, w.Plugins()[0].LastRun.Result)
		require.Contains(t, w.Plugins()[0].InvalidError, `metric 1 ("b b"): a name has only`)
	})
}

func TestNaNInAPluginsOutputIsNamedAndFailsNoRun(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "\ufeff" + `[{"name":"a","value":1}, {"name":"b","value":-Infinity, "unknown":NaN}, {"name":"c","value":2,"unknown":NaN}]`}, func(t *testing.T, w *world) {
		w.pass(time.Minute)
		require.Equal(t, agent.RunOK, w.Plugins()[0].LastRun.Result)
		require.Contains(t, w.Plugins()[0].InvalidError, `metric 1 ("b"): the value is no finite number`)
		require.Len(t, w.output.Named("PLUGIN.mysql.a"), 1)
		require.Len(t, w.output.Named("PLUGIN.mysql.c"), 1)

		w.runner.Publish("org/mysql", agenttest.Program{Print: `[{"name":"a","value":1}]`})
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		w.pass(time.Minute)
		require.Empty(t, w.Plugins()[0].InvalidError, "the last output was good")
	})
}

func TestPluginNeverOverlapsItselfAndIsEndedBeforeItsNextStart(t *testing.T) {
	withPlugin(t, agenttest.Program{Hang: true}, func(t *testing.T, w *world) {
		w.pass(10 * time.Minute)
		runs := w.runner.Runs()
		require.GreaterOrEqual(t, len(runs), 9)
		for i, run := range runs {
			require.Equal(t, 59500*time.Millisecond, run.Ended.Sub(run.Began))
			if i > 0 {
				require.Equal(t, time.Minute, run.Began.Sub(runs[i-1].Began))
			}
		}
	})
}

func TestShortPluginIntervalsAreRaised(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("hasty", time.Second), plugin("negative", -time.Second))
		w.run()
		w.pass(5 * time.Minute)
		require.Len(t, w.runner.Runs(), 30)
	})
}

func TestManyPluginsDoNotStartTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var plugins []agent.Plugin
		for i := range 200 {
			plugins = append(plugins, plugin(fmt.Sprintf("p%d", i), time.Minute))
		}
		assignPlugins(w, plugins...)
		w.run()
		w.pass(time.Minute)
		perSecond := make(map[int64]int)
		for _, run := range w.runner.Runs() {
			perSecond[run.Began.Unix()]++
		}
		require.GreaterOrEqual(t, len(w.runner.Runs()), 199)
		for _, starts := range perSecond {
			require.Less(t, starts, 15)
		}
	})
}

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
		require.ElementsMatch(t, []string{"web org/mysql", "db another/mysql"}, ran, "another namespace is no conflict")
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
		require.Empty(t, w.output.Named("plugin.mysql"), "a slow install is no failed run")
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
		require.Empty(t, w.output.Points(), "that it was ended is no fault of the plugin")
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

func TestPanickingRunnerCostsOnlyItsRun(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		w.runner.Panic("ouch")
		w.pass(time.Minute)
		require.Equal(t, "panic: ouch", w.Plugins()[0].LastRun.Error)
		w.runner.Heal()
		w.pass(time.Minute)
		require.Equal(t, agent.RunOK, w.Plugins()[0].LastRun.Result)
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
