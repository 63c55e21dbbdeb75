package agent_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestNewTagsAreThoseOfLaterPointsAndNoPointIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(25 * time.Second)
		require.NoError(t, w.Reconfigure(agent.WithTags(map[string]string{"dc": "muc", "rack": "7"})))
		w.pass(10 * time.Second)
		points := w.output.Named("load")
		require.Len(t, points, 4)
		require.Equal(t, "fra", points[2].Tags["dc"])
		require.Equal(t, map[string]string{"host": "h1", "dc": "muc", "rack": "7"}, points[3].Tags)
		require.EqualValues(t, 4, w.account("web").Delivered)
	}, every(10*time.Second, "load"), agent.WithTags(map[string]string{"dc": "fra"}))
}

func TestAnOptionThatIsLeftOutGetsItsDefault(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Reconfigure())
		require.NoError(t, w.Send(t.Context(), "web", metrics(1)))
		require.Equal(t, map[string]string{"host": "h1"}, w.output.Points()[0].Tags)
		require.Empty(t, w.Status().Warnings)
	}, agent.WithTags(map[string]string{"dc": "fra"}), agent.WithWarnings("beware"))
}

func TestANewUpdateIntervalIsInForceAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		require.NoError(t, w.Reconfigure(agent.WithUpdateInterval(10*time.Second)))
		w.registry.Assign(agent.Assignment{Namespace: "db"})
		w.pass(20 * time.Second)
		require.Equal(t, []string{"db"}, w.Namespaces())
	}, agent.WithUpdateInterval(24*time.Hour))
}

func TestASmallerBufferDropsTheOldestPointsAndCountsThem(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(95 * time.Second)
		require.EqualValues(t, 10, w.account("web").Waiting)
		require.NoError(t, w.Reconfigure(agent.WithBufferSize(3)))
		w.pass(10 * time.Second)
		require.EqualValues(t, 3, w.account("web").Waiting)
		require.Equal(t, map[string]int64{"buffer_full": 8}, w.account("web").Dropped)
		w.output.Heal()
		w.pass(time.Minute)
	}, every(10*time.Second, "load"))
}

func TestTheAPITakesNewSettingsFromTheNextRequestOn(t *testing.T) {
	token := func(text string) agent.Option { return agent.WithControlToken(func() string { return text }) }
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		handler := w.Handler() // it is made once
		ask := func(path, token, body string) int {
			r := httptest.NewRequest(http.MethodPost, "http://192.0.2.9"+path, strings.NewReader(body))
			r.RemoteAddr = "192.0.2.1:1234"
			r.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			return answer.Code
		}
		large := `[{"name":"x","value":1}]` + strings.Repeat(" ", 2000)
		require.Equal(t, 200, ask("/update", "old", ""))
		require.Equal(t, 403, ask("/update", "new", ""))
		require.Equal(t, 413, ask("/post?ns=web", "", large))
		require.Equal(t, 403, ask("/post?ns=shop.a", "", `[{"name":"x","value":1}]`))
		require.NoError(t, w.Reconfigure(token("new"), agent.WithMaxBody(4096), agent.WithAPINamespaces("shop.*")))
		require.Equal(t, 403, ask("/update", "old", ""))
		require.Equal(t, 200, ask("/update", "new", ""))
		require.Equal(t, 200, ask("/post?ns=web", "", large))
		require.Equal(t, 200, ask("/post?ns=shop.a", "", `[{"name":"x","value":1}]`))
	}, token("old"), agent.WithMaxBody(1024))
}

func TestAnOptionThatOnlyNewTakesIsRefusedByItsNameAndNothingChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		err := w.Reconfigure(agent.WithTags(map[string]string{"dc": "muc"}), agent.WithHostname("h2"), agent.WithUpdateInterval(0))
		require.EqualError(t, err, "reconfigure the agent: WithHostname: only New takes this option; make a new agent to change it; WithUpdateInterval: 0s is less than a second")
		require.NoError(t, w.Send(t.Context(), "web", metrics(1)))
		require.Equal(t, map[string]string{"host": "h1", "dc": "fra"}, w.output.Points()[0].Tags)
	}, agent.WithTags(map[string]string{"dc": "fra"}))
}

func TestTheRestOfSplitOptionsCanBeGivenAgain(t *testing.T) {
	_, rest := agent.SplitOptions(agent.WithHostname("h2"), agent.WithTags(map[string]string{"dc": "fra"}))
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Reconfigure(agent.WithTags(map[string]string{"rack": "7"}), rest))
		require.NoError(t, w.Send(t.Context(), "web", metrics(1)))
		require.Equal(t, map[string]string{"host": "h2", "dc": "fra", "rack": "7"}, w.output.Points()[0].Tags)
	}, rest)
}

func TestDaemonsRunOnWhenSettingsChange(t *testing.T) {
	withPlugin(t, daemonProgram(1), func(t *testing.T, w *world) {
		w.pass(time.Minute)
		require.NoError(t, w.Reconfigure(agent.WithTags(map[string]string{"dc": "muc"})))
		w.pass(time.Minute)
		require.Empty(t, w.runner.Runs(), "the first run has not ended")
		w.InstallPlugins()
		w.pass(time.Minute)
		require.Empty(t, w.runner.Runs(), "nor when the plugins are installed again")
		require.Len(t, w.runner.Installs(), 2)
	})
}

func TestWhatCouldNotBeInstalledIsTriedAtOnceWhenAskedFor(t *testing.T) {
	withPlugin(t, agenttest.Program{Print: "[]"}, func(t *testing.T, w *world) {
		w.runner.Unpublish("org/mysql")
		other := plugin("redis", time.Minute)
		assignPlugins(w, plugin("mysql", time.Minute), other)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Hour) // the pauses between attempts are long by now
		w.runner.Publish("org/redis", agenttest.Program{Print: "[]"})
		w.InstallPlugins()
		w.pass(0)
		require.True(t, w.Plugins()[1].Installed)
	})
}

func TestADaemonThatItsRunnerEndsIsStartedAgainWithoutAFailure(t *testing.T) {
	runs := 0
	inBubble(t, func(t *testing.T, w *world) {
		mysql := plugin("mysql", time.Minute)
		mysql.Mode = "daemon"
		assignPlugins(w, mysql)
		w.runner.Publish("org/mysql", agenttest.Program{})
		w.runner.Answer(func(ctx context.Context, _ agent.Plugin, _ []string) ([]byte, error) {
			if runs++; runs == 1 {
				return nil, agent.ErrRunAgain
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		w.run()
		w.pass(3 * time.Second)
		require.Equal(t, 2, runs)
		require.Zero(t, w.Plugins()[0].Failures)
	})
}
