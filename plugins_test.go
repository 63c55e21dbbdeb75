package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
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
		require.Contains(t, w.Plugins()[0].InvalidError, `metric 1 ("b"): the value is not a finite number`)
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

func TestPanickingRunnerCostsOnlyItsRun(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		w.runner.Panic("ouch")
		w.pass(time.Minute)
		require.Equal(t, "panic: ouch", w.Plugins()[0].LastRun.Error)
		require.Equal(t, 1, w.log.count("stack="))
		w.runner.Heal()
		w.pass(time.Minute)
		require.Equal(t, agent.RunOK, w.Plugins()[0].LastRun.Result)
	})
}
