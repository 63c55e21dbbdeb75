package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/explain"
	"github.com/lodastack/agent/internal/gittest"
)

// explains waits until `agent explain` of the name exits with the code and prints the text, a
// regular expression.
func (h *host) explains(t *testing.T, name string, code int, text string) {
	t.Helper()
	var got result
	defer func() {
		if t.Failed() {
			t.Logf("%+v", got)
		}
	}()
	require.Eventually(t, func() bool {
		got = execute(t, "explain", "-f", h.config, name)
		return got.code == code && regexp.MustCompile(text).MatchString(got.stdout)
	}, 30*time.Second, 50*time.Millisecond, "%s", text)
}

func TestExplainFollowsAMeasurementThroughAnOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	h.startReady(t)
	arrives := `^The host's own measurements go to each of its namespaces: web\.shop\.
The collector of the kind CPU makes it every 10s\.
It was last made .* ago; the value was 1\.
Points of the namespace web\.shop: [1-9]\d* accepted = .*
` + h.nsqd.Addr() + ` acknowledged the last ones for the topic collect\.web\.shop .* ago\.
$`
	h.explains(t, "agent.alive", 0, arrives)
	h.nsqd.Stop()
	h.explains(t, "agent.alive", 1, `(?m)^The output has taken no points for .*: .*connection refused.*
\d+ points? in memory and \d+ on disk wait until it takes them; the oldest is from .* ago\.$`)
	require.NoError(t, h.nsqd.Restart())
	h.explains(t, "agent.alive", 0, arrives)
	h.explains(t, "PORT.api", 0, `^The registry assigns PORT\.api to the namespace web\.shop\.\n`)
	h.explains(t, "web.shop", 0, `^web\.shop is a namespace of this host \(h1\)\.\n`)
	h.explains(t, "RUN.none", 1, "No program has posted it")

	got := execute(t, "explain", "-f", h.config, "--json", "agent.alive")
	require.Equal(t, 0, got.code)
	var answer explain.Answer
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &answer))
	require.Equal(t, "agent.alive", answer.Facts.Series[0].Name)
	require.Equal(t, result{1, "", "agent explain: the agent at " + h.listen + ` answers: nothing here is called "agent.aliv": it is no measurement, plugin or namespace that this agent knows; did you mean agent.alive?` + "\n"},
		execute(t, "explain", "-f", h.config, "agent.aliv"))
}

func TestExplainSaysThatTheConfigDisablesAKind(t *testing.T) {
	h := newHost(t)
	h.configure(t, "collect.disable = [ \"MEM\" ]\n")
	h.startReady(t)
	h.explains(t, "mem.free", 1, `\nNothing measures it here: collect\.disable names its kind MEM\.\n$`)
	h.explains(t, "systemd.unit.active", 1, `\nNothing measures it here: collect\.include\.units names none\.\n$`)
}

func TestExplainSaysWhatAFilterLeavesOut(t *testing.T) {
	h := newHost(t)
	h.configure(t, "collect.exclude.cores = [ \"0\" ]\n")
	h.startReady(t)
	h.explains(t, "cpu.idle.core", 0, `\nIt leaves out 0: collect\.exclude\.cores has "0"\.\n`)
}

func TestExplainFollowsAPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := newHost(t)
	for _, dir := range []string{h.dir, filepath.Dir(h.dir)} { // the plugins' user goes through them
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	root := gittest.NewRoot(t)
	root.Plugin("acme/rows", "echo '[{\"name\":\"rows\",\"value\":7}]'\n")
	root.Plugin("acme/bad", "echo no route to db >&2; exit 3\n")
	h.configure(t, "policy.plugins = [ \"acme/*\" ]\nagent.git = \""+root.Template()+"\"\nagent.gituser = \"root\"\n")
	h.write(t, "registry.toml", `[[namespace]]
name = "web.shop"
[[namespace.plugin]]
name = "rows"
repo = "acme/rows"
interval = 10
[[namespace.plugin]]
name = "bad"
repo = "acme/bad"
interval = 10
[[namespace.plugin]]
name = "other"
repo = "other/other"
interval = 10
`)
	h.startReady(t)
	h.explains(t, "PLUGIN.rows.rows", 0, `(?s)^The namespace web\.shop wants the plugin PLUGIN\.rows, from acme/rows\.
It runs every 10s\.
Its commit [0-9a-f]{8} is installed\.
Its last run was .* ago, took .* and went well\.
It was last made .* ago; the value was 7\.
Points of the namespace web\.shop: `)
	h.explains(t, "web.shop/acme/bad", 1, `\nIts last run, .* ago, failed \(exit\): .*; it said: no route to db\.\n$`)
	h.explains(t, "PLUGIN.other", 1, `refused by policy\.plugins: other/other matches none of its globs\.\n$`)
	require.Equal(t, 0, execute(t, "plugin", "disable", "-f", h.config, "web.shop", "acme/rows").code)
	h.explains(t, "PLUGIN.rows", 1, `\nIt is disabled until 20.* UTC, unless .agent plugin enable web\.shop acme/rows. ends that\.\n$`)
}

func TestExplainSaysThatNoAgentAnswers(t *testing.T) {
	h := newHost(t)
	require.Equal(t, result{1, "", "agent explain: no agent answers at " + h.listen + ": start one (agent start), or name its config with -f\n"},
		execute(t, "explain", "-f", h.config, "cpu.idle"))
	require.Equal(t, 2, execute(t, "explain").code)
}
