//go:build linux

package gitrunner_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/policy"
)

// rule makes a runner that has one rule, for the plugin mysql.
func rule(rule policy.Rule) func(*gitrunner.Config) {
	rule.Match = mysql().Repo
	return func(c *gitrunner.Config) { c.Policy.Rules = []policy.Rule{rule} }
}

// other is a plugin that no rule is for.
func other() agent.Plugin {
	return agent.Plugin{Namespace: "web.example", Name: "PLUGIN.nginx", Repo: "web/nginx", Interval: 30 * time.Second}
}

func TestPluginRunsAsTheUserOfItsRule(t *testing.T) {
	needRoot(t)
	r := newRunner(t, "", rule(policy.Rule{User: "daemon"}))
	dir := script(t, "id -un; id -Gn; echo $HOME")
	for _, c := range []struct {
		plugin agent.Plugin
		want   string
	}{{mysql(), "daemon\ndaemon\n"}, {other(), "nobody\nnogroup\n"}} {
		res, err := r.RunDir(t.Context(), dir, c.plugin, nil)
		require.NoError(t, err)
		require.Contains(t, string(res.Stdout), c.want)
	}
}

func TestInstalledPluginMayBeEnteredByTheUserThatARuleGivesItLater(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	needRoot(t)
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", "id -un")
	dir := tempDir(t) + "/plugins"
	for _, c := range []struct{ user, want string }{{"", "nobody\n"}, {"daemon", "daemon\n"}, {"", "nobody\n"}} {
		r := newRunner(t, root.Template(), in(dir), rule(policy.Rule{User: c.user}))
		require.NoError(t, r.Install(t.Context(), mysql()))
		require.Equal(t, c.want, run(t, r))
	}
}

func TestUserOfARuleMustExist(t *testing.T) {
	_, err := gitrunner.New(gitrunner.Config{Policy: policy.Policy{Rules: []policy.Rule{{Match: "a/b", User: "no-such-user"}}}})
	require.ErrorContains(t, err, `policy.plugin.user: there is no user "no-such-user" on this system`)
}

func TestProcessesOfARunAreLimitedByItsRule(t *testing.T) {
	r := newRunner(t, "", rule(policy.Rule{Pids: 7}))
	if r.InspectPlugin(mysql()).Limits.Processes == 0 {
		t.Skip("this host limits no processes")
	}
	require.Equal(t, 7, r.InspectPlugin(mysql()).Limits.Processes)
	require.Equal(t, 512, r.InspectPlugin(other()).Limits.Processes)
	dir := script(t, `i=0; while [ $i -lt 20 ]; do sleep 20 & i=$((i+1)); done; echo $i`)
	for range 3 { // in turn: sandboxes are used again
		_, err := runDir(t, r, dir, 5*time.Second)
		requireResult(t, agent.RunExit, err)
		res, err := r.RunDir(t.Context(), dir, other(), nil)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln(20), string(res.Stdout))
	}
}

func TestPluginWithoutNetworkReachesNothingOfIt(t *testing.T) {
	needRoot(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dir := script(t, `exec 2>&1; perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or die "no socket\n"; connect(S, sockaddr_in(shift, inet_aton("127.0.0.1"))) or die "unreachable\n"; print "connected\n"' $1; exit 0`)
	port := fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	r := newRunner(t, "", rule(policy.Rule{NoNetwork: true}))
	require.True(t, r.InspectPlugin(mysql()).NoNetwork)
	for _, c := range []struct {
		plugin agent.Plugin
		want   string
	}{{mysql(), "unreachable\n"}, {other(), "connected\n"}} {
		res, err := r.RunDir(t.Context(), dir, c.plugin, []string{port})
		require.NoError(t, err)
		require.Equal(t, c.want, string(res.Stdout))
	}
}
