package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// daemonProgram is a plugin that says that it is a daemon, and prints a line.
func daemonProgram(value int) agenttest.Program {
	return agenttest.Program{Print: fmt.Sprintf(`{"name":"a","value":%d}`+"\n", value), Mode: "daemon", Hang: true}
}

// last returns the last value that was sent under the name.
func (w *world) last(name string) any { return w.values(name)[name] }

func TestDaemonIsStartedOnceAndReportedWhileItLives(t *testing.T) {
	withPlugin(t, daemonProgram(1), func(t *testing.T, w *world) {
		w.pass(10*time.Minute + 5*time.Second)
		require.Equal(t, 1.0, w.last("PLUGIN.mysql.a"))
		require.Empty(t, w.runner.Runs(), "the first run has not ended")
		require.True(t, w.Plugins()[0].Running)
		require.Len(t, w.output.Named("plugin.mysql"), 11, "at the start and every minute")
		for _, p := range w.output.Named("plugin.mysql") {
			require.Equal(t, 0.0, p.Value)
			require.Equal(t, map[string]string{"type": "regular", "result": "ok", "host": "h1"}, p.Tags)
		}
		_, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
		require.ErrorIs(t, err, agent.ErrPluginRunning)
	})
}

func TestDaemonWithoutAnIntervalIsReportedEveryMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		mysql := plugin("mysql", 0)
		mysql.Mode = "daemon"
		assignPlugins(w, mysql)
		w.runner.Publish("org/mysql", agenttest.Program{Hang: true})
		w.run()
		w.pass(3*time.Minute + 5*time.Second)
		require.Len(t, w.output.Named("plugin.mysql"), 4)
		w.stop()
		require.Equal(t, time.Minute, w.runner.Runs()[0].Plugin.Interval, "it can be given a signal as often")
	})
}

func TestWhatADaemonMeasuredAtAnotherTimeIsSentWithThatTime(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "a value=1 1000000000000000000\nb value=2 9\n", Mode: "daemon", Format: "influx", Hang: true}, func(t *testing.T, w *world) {
		w.pass(time.Second)
		require.EqualValues(t, 1e9, w.output.Named("PLUGIN.mysql.a")[0].Timestamp)
		require.InDelta(t, time.Now().Unix(), w.output.Named("PLUGIN.mysql.b")[0].Timestamp, 2, "what is not a time gets that of the agent")
	})
}

func TestDaemonThatEndsIsStartedAgainAfterLongerAndLongerPauses(t *testing.T) {
	for name, program := range map[string]agenttest.Program{"exit": {Mode: "daemon", ExitCode: 3}, "ends": {Mode: "daemon"}} {
		withPlugin(t, program, func(t *testing.T, w *world) {
			w.pass(time.Hour)
			runs := w.runner.Runs()
			require.Greater(t, len(runs), 50, name)
			require.Less(t, len(runs), 140, name)
			for i := 1; i < len(runs); i++ {
				pause := runs[i].Began.Sub(runs[i-1].Ended)
				require.GreaterOrEqual(t, pause, time.Second)
				require.LessOrEqual(t, pause, time.Minute)
			}
			status := w.Plugins()[0]
			require.Equal(t, agent.RunExit, status.LastRun.Result)
			require.EqualValues(t, len(runs), status.Failures)
			require.Equal(t, 1.0, w.last("plugin.mysql"))
			require.Equal(t, 1, w.log.count("a plugin failed"), "said once")
		})
	}
}

func TestDaemonThatLivedForAMinuteIsStartedAgainSoon(t *testing.T) {
	withPlugin(t, agenttest.Program{Mode: "daemon", Takes: 61 * time.Second}, func(t *testing.T, w *world) {
		w.pass(time.Hour)
		runs := w.runner.Runs()
		require.Greater(t, len(runs), 50)
		for i := 1; i < len(runs); i++ {
			require.LessOrEqual(t, runs[i].Began.Sub(runs[i-1].Ended), 2*time.Second)
		}
	})
}

func TestUpdateReplacesADaemonWithoutTwoAtOnce(t *testing.T) {
	withPlugin(t, daemonProgram(1), func(t *testing.T, w *world) {
		w.pass(time.Minute)
		w.runner.Publish("org/mysql", daemonProgram(2))
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		w.pass(time.Second)
		require.Equal(t, 2.0, w.last("PLUGIN.mysql.a"))
		require.Len(t, w.runner.Runs(), 1)
		require.Empty(t, w.runner.Violations())
		require.EqualValues(t, 0, w.Plugins()[0].Failures, "it was not a fault of the plugin")

		w.runner.Publish("org/mysql", agenttest.Program{Print: `[{"name":"a","value":3}]`})
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		w.pass(2 * time.Minute)
		require.Equal(t, 3.0, w.last("PLUGIN.mysql.a"), "a version that is not a daemon is run at its interval")
		w.runner.Publish("org/mysql", daemonProgram(4))
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		w.pass(time.Minute)
		require.Equal(t, 4.0, w.last("PLUGIN.mysql.a"))
		require.Empty(t, w.runner.Violations())
	})
}

func TestDaemonIsEndedWhileItIsDisabled(t *testing.T) {
	withPlugin(t, daemonProgram(1), func(t *testing.T, w *world) {
		w.pass(time.Minute)
		require.NoError(t, w.DisablePlugin(t.Context(), "web", "org/mysql"))
		w.pass(time.Second)
		require.False(t, w.Plugins()[0].Running)
		reported := len(w.output.Named("plugin.mysql"))
		w.pass(time.Hour)
		require.Len(t, w.output.Named("plugin.mysql"), reported)

		require.NoError(t, w.EnablePlugin(t.Context(), "web", "org/mysql"))
		w.pass(time.Second)
		require.True(t, w.Plugins()[0].Running)

		require.NoError(t, w.DisablePlugin(t.Context(), "web", "org/mysql"))
		w.pass(24*time.Hour + 2*time.Minute)
		require.True(t, w.Plugins()[0].Running, "after a day it is enabled again")
	})
}

func TestDaemonIsStartedAgainWithNewArgumentsAndEndedWithItsAssignment(t *testing.T) {
	withPlugin(t, agenttest.Program{Mode: "daemon", Hang: true, PrintArgs: true, Format: "influx"}, func(t *testing.T, w *world) {
		w.pass(time.Minute)
		mysql := plugin("mysql", time.Minute)
		require.NoError(t, w.Update(t.Context()))
		require.Empty(t, w.runner.Runs(), "an answer that says the same changes nothing")
		mysql.Args = []string{"a value=7"}
		assignPlugins(w, mysql)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Second)
		require.Equal(t, 7.0, w.last("PLUGIN.mysql.a"))
		require.Len(t, w.runner.Runs(), 1)

		assignPlugins(w, plugin("other", time.Minute))
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Second)
		require.Len(t, w.runner.Runs(), 2)
	})
}

func TestDaemonThatBecomesAPeriodicPluginRunsAtItsInterval(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: `[{"name":"a","value":1}]`}, func(t *testing.T, w *world) {
		mysql := plugin("mysql", time.Minute)
		mysql.Mode = "daemon"
		assignPlugins(w, mysql)
		require.NoError(t, w.Update(t.Context()))
		w.pass(10 * time.Minute)
		mysql.Mode = "run"
		assignPlugins(w, mysql)
		require.NoError(t, w.Update(t.Context()))
		w.pass(2 * time.Minute)
		before := len(w.runner.Runs())
		w.pass(10 * time.Minute)
		require.Equal(t, before+10, len(w.runner.Runs()))
	})
}

func TestStopEndsADaemonWithoutAFailure(t *testing.T) {
	withPlugin(t, daemonProgram(1), func(t *testing.T, w *world) {
		w.pass(time.Minute)
		w.stop()
		require.Len(t, w.runner.Runs(), 1)
		require.Equal(t, 0.0, w.last("plugin.mysql"))
	})
}

func TestLinesOfADaemonAreMetricsListsOrLinesOfItsFormat(t *testing.T) {
	for format, lines := range map[string]string{
		"json":       `{"name":"a","value":1}` + "\n" + `[{"name":"b","value":2},{"name":"c","value":NaN}]` + "\n\n" + "no metric\n" + `{"name":"d","value":Infinity}` + "\n",
		"influx":     "a value=1\nb value=2\nbad\nbad\nbad\n",
		"prometheus": "# HELP a b\na 1\nb 2\nbad\nbad\nbad\n",
	} {
		withPlugin(t, agenttest.Program{Print: lines, Mode: "daemon", Format: format, Hang: true}, func(t *testing.T, w *world) {
			w.pass(time.Second)
			require.Equal(t, map[string]any{"PLUGIN.mysql.a": 1.0, "PLUGIN.mysql.b": 2.0}, w.values("PLUGIN.mysql.a", "PLUGIN.mysql.b", "PLUGIN.mysql.c"), format)
			require.EqualValues(t, 3, w.Plugins()[0].Invalid, format)
		})
	}
}

func TestRunnerThatRunsNoDaemonsSaysSo(t *testing.T) {
	type plain struct{ agent.PluginRunner }
	inBubble(t, func(t *testing.T, w *world) {
		mysql := plugin("mysql", time.Minute)
		mysql.Mode = "daemon"
		assignPlugins(w, mysql)
		w.run()
		w.pass(time.Minute)
		require.Contains(t, w.Plugins()[0].LastRun.Error, "cannot run daemons")
	}, agent.WithPluginRunner(plain{agenttest.NewPluginRunner()}))
}
