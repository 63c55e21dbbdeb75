package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// values returns the last values of what was sent, by name.
func (w *world) values(names ...string) map[string]any {
	values := map[string]any{}
	for _, name := range names {
		for _, p := range w.output.Named(name) {
			values[name] = p.Value
		}
	}
	return values
}

func TestAPluginPrintsInTheFormatThatItNames(t *testing.T) {
	for format, printed := range map[string]string{
		"influx":     "disk,host=other used=3i,value=1 1700000000000000000\nbad line\n",
		"prometheus": "# TYPE disk gauge\ndisk{host=\"other\"} 1\ndisk_used 3\nbad\n",
		"nagios":     "OK - fine | disk=1s disk.used=3KB bad",
	} {
		t.Run(format, func(t *testing.T) {
			withPlugin(t, agenttest.Program{Print: printed, Format: format}, func(t *testing.T, w *world) {
				w.pass(time.Minute)
				used := map[string]any{"influx": 3.0, "nagios": 3000.0, "prometheus": 3.0}[format]
				name := map[string]string{"influx": "PLUGIN.mysql.disk.used", "nagios": "PLUGIN.mysql.disk.used", "prometheus": "PLUGIN.mysql.disk_used"}[format]
				require.Equal(t, map[string]any{"PLUGIN.mysql.disk": 1.0, name: used, "plugin.mysql": 0.0}, w.values("PLUGIN.mysql.disk", name, "plugin.mysql"))
				require.Equal(t, format, w.Plugins()[0].Format)
				require.EqualValues(t, 1, w.Plugins()[0].Invalid, "the bad line costs only itself")
			})
		})
	}
}

func TestTheStatusOfANagiosCheckIsNoFailureOfItsRun(t *testing.T) {
	for status := range 5 {
		withPlugin(t, agenttest.Program{Print: "text|a=1", ExitCode: status, Format: "nagios"}, func(t *testing.T, w *world) {
			w.pass(time.Minute)
			result, err := w.RunPlugin(t.Context(), "web", "org/mysql", nil)
			require.Equal(t, status, result.ExitCode)
			if status == 4 {
				require.Error(t, err)
				require.Empty(t, w.output.Named("PLUGIN.mysql.state"))
				require.Equal(t, agent.RunExit, w.Plugins()[0].LastRun.Result)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "text|a=1", string(result.Stdout))
			require.Equal(t, map[string]any{"PLUGIN.mysql.state": float64(status), "PLUGIN.mysql.a": 1.0, "plugin.mysql": 0.0},
				w.values("PLUGIN.mysql.state", "PLUGIN.mysql.a", "plugin.mysql"))
		})
	}
}

func TestTheRegistrysFormatGoesBeforeThePluginsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		mysql := plugin("mysql", time.Minute)
		mysql.Format = "json"
		assignPlugins(w, mysql)
		w.runner.Publish("org/mysql", agenttest.Program{Print: `[{"name":"a","value":1}]`, Format: "nagios"})
		w.run()
		w.pass(time.Minute)
		require.Equal(t, map[string]any{"PLUGIN.mysql.a": 1.0}, w.values("PLUGIN.mysql.a", "PLUGIN.mysql.state"))
	})
}

func TestAnUpdateBringsItsOwnFormat(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: `[{"name":"a","value":1}]`}, func(t *testing.T, w *world) {
		w.pass(time.Minute)
		w.runner.Publish("org/mysql", agenttest.Program{Print: "a value=2", Format: "influx"})
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		w.pass(time.Minute)
		require.Equal(t, map[string]any{"PLUGIN.mysql.a": 2.0, "plugin.mysql": 0.0}, w.values("PLUGIN.mysql.a", "plugin.mysql"))
	})
}

func TestAnUnknownFormatOfAnItemIsReported(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		mysql := plugin("mysql", time.Minute)
		mysql.Format = "xml"
		assignPlugins(w, mysql)
		w.run()
		require.Empty(t, w.Plugins())
		require.Contains(t, w.Status().Registry.Problems[0], `there is no format "xml"`)
	})
}
