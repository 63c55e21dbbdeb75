package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gittest"
)

// pluginHost is a host whose agent runs, with the plugin acme/hello assigned to
// run on demand.
func pluginHost(t *testing.T, more string) (*host, *gittest.Repo) {
	t.Helper()
	h := newHost(t)
	for _, dir := range []string{h.dir, filepath.Dir(h.dir)} { // the plugins' user goes through them
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	root := gittest.NewRoot(t)
	repo := root.Plugin("acme/hello", "echo \"hello $*\"; exit ${1:-0}\n")
	h.configure(t, "agent.git = \""+root.Template()+"\"\nagent.gituser = \"root\"\n"+more)
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.shop\"\n[[namespace.plugin]]\nname = \"hello\"\nrepo = \"acme/hello\"\ninterval = 0\n")
	h.start(t)
	require.Eventually(t, func() bool {
		var plugins []agent.PluginStatus
		r := execute(t, "plugin", "list", "--json", "-f", h.config)
		return r.code == 0 && json.Unmarshal([]byte(r.stdout), &plugins) == nil && len(plugins) == 1 && plugins[0].Commit != ""
	}, 20*time.Second, 50*time.Millisecond)
	return h, repo
}

// startReady starts the agent, and waits until assignments are in force.
func (h *host) startReady(t *testing.T) *daemon {
	t.Helper()
	d := h.start(t)
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + h.listen + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, 10*time.Second, 5*time.Millisecond)
	return d
}

func TestATerminalControlsTheAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h, repo := pluginHost(t, "")
	plugin := func(args ...string) result {
		return execute(t, append(append([]string{"plugin"}, args...), "-f", h.config)...)
	}
	list := plugin("list").stdout
	require.Regexp(t, `(?m)^acme/hello +web\.shop +[0-9a-f]{8} +.* ago by registry +on demand +-`, list)

	require.Equal(t, result{0, "hello 0 -v\n", ""}, execute(t, "plugin", "run", "-f", h.config, "web.shop", "acme/hello", "--", "0", "-v"))
	r := execute(t, "plugin", "run", "-f", h.config, "web.shop", "acme/hello", "--", "3")
	require.Equal(t, 1, r.code)
	require.Equal(t, "hello 3\n", r.stdout, "the output of a run that failed is there, too")
	require.Contains(t, r.stderr, "agent plugin run: the agent at "+h.listen+" answers: The run failed: ")

	repo.Release("echo second\n")
	require.Equal(t, result{0, "the plugin is up to date\n", ""}, plugin("update", "web.shop", "acme/hello"))
	require.Equal(t, "second\n", plugin("run", "web.shop", "acme/hello").stdout)
	require.Equal(t, result{0, "the version from before is installed, until the next update\n", ""}, plugin("rollback", "web.shop", "acme/hello"))
	require.Equal(t, "hello \n", plugin("run", "web.shop", "acme/hello").stdout)

	require.Equal(t, result{0, "the plugin is disabled for 24 hours\n", ""}, plugin("disable", "web.shop", "acme/hello"))
	require.Contains(t, plugin("list").stdout, " disabled ")
	require.Equal(t, result{0, "the plugin is enabled\n", ""}, plugin("enable", "web.shop", "acme/hello"))
	require.NotContains(t, plugin("list").stdout, " disabled ")

	r = plugin("enable", "web.shop", "acme/other")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "agent plugin enable: the agent at "+h.listen+" answers: ")
	require.Contains(t, r.stderr, "acme/other")

	require.Contains(t, execute(t, "__complete", "plugin", "run", "-f", h.config, "web.shop", "").stdout, "acme/hello\n")
}

func TestUpdateHasTheRegistryAskedNow(t *testing.T) {
	h := newHost(t)
	h.startReady(t)
	h.write(t, "registry.toml", "[[namespace]]\nname = \"web.new\"\n")
	r := execute(t, "update", "-f", h.config)
	require.Equal(t, result{0, "the registry has answered, and its answer is in force\n", ""}, r)
	require.Contains(t, execute(t, "status", "-f", h.config).stdout, "web.new")
	h.write(t, "registry.toml", "nonsense")
	r = execute(t, "update", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "answers: The assignments stay as they were, except those that the registry has answered. ")
	require.Contains(t, r.stderr, "registry.toml:1: not TOML")
}

func TestControlTakesTheTokenOfTheConfig(t *testing.T) {
	h := newHost(t)
	token := h.write(t, "token", "s3cret\n")
	h.configure(t, "api.tokenfile = \""+token+"\"\napi.localcontrol = \"token\"\n")
	h.startReady(t)
	require.Equal(t, "", execute(t, "update", "-f", h.config).stderr)
	// As a user that may not read the token.
	content, err := os.ReadFile(h.config)
	require.NoError(t, err)
	h.write(t, "agent.conf", strings.Replace(string(content), token, token+"-not-there", 1))
	r := execute(t, "update", "-f", h.config)
	require.Equal(t, 1, r.code)
}

func TestControlSaysThatNoAgentAnswers(t *testing.T) {
	h := newHost(t)
	for _, args := range [][]string{{"update"}, {"plugin", "list"}, {"plugin", "run", "a", "b/c"}, {"plugin", "enable", "a", "b/c"}} {
		r := execute(t, append(args, "-f", h.config)...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, "no agent answers at "+h.listen+": start one (agent start), or name its config with -f")
	}
}

func TestWhatAPluginCannotBeGivenIsSaid(t *testing.T) {
	for want, args := range map[string][]string{
		`"x": write -- before the plugin's arguments`:                       {"a", "b/c", "x"},
		`"a b": an argument of a plugin is not empty and has no blanks`:     {"a", "b/c", "--", "a b"},
		"--timeout 0s: write 1s to 1h":                                      {"--timeout", "0s", "a", "b/c"},
		"something is missing; write agent plugin run [-f FILE] [--timeout": {"a"},
	} {
		r := execute(t, append([]string{"plugin", "run"}, args...)...)
		require.Equal(t, 2, r.code)
		require.Contains(t, r.stderr, want)
	}
}
