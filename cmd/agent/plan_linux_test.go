package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/registrytest"
	"github.com/lodastack/agent/internal/statefile"
	"github.com/lodastack/agent/internal/terminal"
)

// planned has one of everything that a plan can say.
func planned() agent.Plan {
	return agent.Plan{
		Host: "web1",
		Changes: []agent.PlanChange{
			{Action: agent.PlanRemove, What: "namespace", Namespace: "old", Values: []agent.PlanValue{{Name: "id", Before: "17"}}},
			{Action: agent.PlanModify, What: "interval", Namespace: "web", Name: "CPU", Values: []agent.PlanValue{{Name: "interval", Before: "30s", After: "10s"}}},
			{Action: agent.PlanAdd, What: "plugin", Namespace: "web", Name: "db/mysql", Values: []agent.PlanValue{
				{Name: "name", After: "PLUGIN.mysql"}, {Name: "version", After: "v1.2"}, {Name: "interval", After: "1m0s"}, {Name: "args", After: `["-s" "x"]`},
			}},
			{Action: agent.PlanModify, What: "plugin", Namespace: "web", Name: "infra/disk", Values: []agent.PlanValue{
				{Name: "version", After: "v2"}, {Name: "interval", Before: "1m0s"}, {Name: "args", Before: `["-a"]`},
			}},
			{Action: agent.PlanModify, What: "port", Namespace: "web", Name: "PORT.api", Values: []agent.PlanValue{{Name: "timeout", Before: "1s"}}},
			{Action: agent.PlanRemove, What: "process", Namespace: "web", Name: "PROC.nginx", Values: []agent.PlanValue{{Name: "path", Before: "/usr/sbin/nginx"}}},
		},
		Unchanged: 12,
		Refused: []agent.PlanRefusal{{
			Namespace: "web", Repo: "db/mysql", Version: "v1.2", Rule: "policy.plugins", Reason: "refused by policy.plugins: db/mysql matches none of its globs",
		}},
		Doubt:    "the registry would take away more than half",
		Problems: []string{"namespace web: item 3 has no\x1b[2J name\nand more"},
		Notes:    []string{"the host is web1 now and the registry knows it as web0"},
	}
}

func TestPlanAsText(t *testing.T) {
	golden(t, "testdata/plan.txt", planText(planned()))
	require.Equal(t, "An update would change nothing on web1 (3 unchanged).\n", string(planText(agent.Plan{Host: "web1", Unchanged: 3})))
}

// The form of the JSON is what docs/operations.md describes, for programs.
func TestPlanAsJSON(t *testing.T) {
	var got bytes.Buffer
	encoded, err := planJSON(planned())
	require.NoError(t, err)
	_, err = terminal.NewWriter(&got).Write(encoded)
	require.NoError(t, err)
	golden(t, "testdata/plan.json", got.Bytes())
	require.True(t, json.Valid(got.Bytes()))
}

// planHost is a host that has a registry over HTTP, with a policy.
func planHost(t *testing.T, more string) (*host, *registrytest.Server) {
	t.Helper()
	registry, err := registrytest.NewServer()
	require.NoError(t, err)
	t.Cleanup(registry.Close)
	registry.SetNamespace("web.shop", "id-web",
		registrytest.Item{"measurement_type": "CPU", "name": "cpu.idle", "interval": "30"},
		registrytest.Item{"measurement_type": "PORT", "name": "api", "port": "80", "interval": "60"})
	h := newHost(t)
	content, err := os.ReadFile(h.config)
	require.NoError(t, err)
	local := fmt.Sprintf("file://%s/registry.toml", h.dir)
	require.Contains(t, string(content), local)
	h.write(t, "agent.conf", strings.Replace(string(content), local, registry.URL(), 1)+more)
	return h, registry
}

func TestPlanExitsWith2WhereAnUpdateWouldChangeSomething(t *testing.T) {
	h, registry := planHost(t, "policy.pinned = true\nagent.git = \"https://git.example.com/%s.git\"\n")
	r := execute(t, "plan", "-f", h.config)
	require.Equal(t, 2, r.code, r.stderr)
	require.Empty(t, r.stderr)
	require.Contains(t, r.stdout, "An update would change h1: 4 to add, 0 to remove, 0 to modify, 0 unchanged.\n")
	require.Contains(t, r.stdout, "  + port web.shop PORT.api: 80, timeout 3s\n")
	require.Empty(t, registry.Reports(), "a plan is not a report")
	require.NoDirExists(t, filepath.Join(h.dir, "plugins"), "a plan makes nothing")

	h.start(t)
	require.Eventually(t, func() bool { return execute(t, "plan", "-f", h.config).code == 0 }, 20*time.Second, 20*time.Millisecond, "the agent has taken over the answer")

	registry.SetNamespace("web.shop", "id-web",
		registrytest.Item{"measurement_type": "CPU", "name": "cpu.idle", "interval": "30"},
		registrytest.Item{"measurement_type": "PORT", "name": "api", "port": "81", "interval": "60"},
		registrytest.Item{"measurement_type": "PLUGIN", "name": "mysql", "git": "XXX/mysql", "interval": "60"},
		registrytest.Item{"measurement_type": "PLUGIN", "name": "nginx", "git": "XXX/nginx", "version": "v1", "interval": "60"})
	r = execute(t, "plan", "-f", h.config, "--json")
	require.Equal(t, 2, r.code, r.stderr)
	var p agent.Plan
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &p))
	require.Len(t, p.Changes, 3)
	require.Equal(t, agent.PlanChange{
		Action: agent.PlanModify, What: "port", Namespace: "web.shop", Name: "PORT.api", Values: []agent.PlanValue{{Name: "port", Before: "80", After: "81"}},
	}, p.Changes[2])
	require.Len(t, p.Refused, 1)
	require.Equal(t, "policy.pinned", p.Refused[0].Rule)
	require.Equal(t, "XXX/mysql", p.Refused[0].Repo)
}

func TestPlanJudgesByTheFilesOfTheDirectoryToo(t *testing.T) {
	h, registry := planHost(t, "agent.git = \"https://git.example.com/%s.git\"\n")
	h.moreFiles(t, map[string]string{"10-policy.toml": "policy.plugins = [ \"infra/*\" ]\n"})
	registry.SetNamespace("web.shop", "id-web",
		registrytest.Item{"measurement_type": "PLUGIN", "name": "mysql", "git": "db/mysql", "interval": "60"},
		registrytest.Item{"measurement_type": "PLUGIN", "name": "disk", "git": "infra/disk", "interval": "60"})
	r := execute(t, "plan", "-f", h.config)
	require.Equal(t, 2, r.code, r.stderr)
	require.Contains(t, r.stdout, "refused by policy.plugins: db/mysql matches none of its globs")
	require.NotContains(t, r.stdout, "infra/disk matches none")
}

func TestPlanNamesPluginsThatTheAddressOfGitDoesNotAllow(t *testing.T) {
	h, registry := planHost(t, "agent.git = \"https://git.example.com/infra/%s.git\"\n")
	registry.SetNamespace("web.shop", "id-web",
		registrytest.Item{"measurement_type": "PLUGIN", "name": "mysql", "git": "XXX/mysql", "interval": "60"},
		registrytest.Item{"measurement_type": "PLUGIN", "name": "disk", "git": "infra/disk", "interval": "60"})
	r := execute(t, "plan", "-f", h.config)
	require.Equal(t, 2, r.code, r.stderr)
	require.Contains(t, r.stdout, "  plugin web.shop XXX/mysql: repository XXX/mysql is refused: agent.git accepts plugins of the organisation infra only")
	require.NotContains(t, r.stdout, "infra/disk is refused")
}

func TestPlanExitsWith1WhereItCannotBeKnown(t *testing.T) {
	fault := func(f registrytest.Fault) func(*testing.T, *host, *registrytest.Server) {
		return func(_ *testing.T, _ *host, registry *registrytest.Server) { registry.SetFault(f) }
	}
	for name, test := range map[string]struct {
		spoil func(*testing.T, *host, *registrytest.Server)
		want  string
	}{
		"the registry is away":           {func(_ *testing.T, _ *host, registry *registrytest.Server) { registry.Close() }, "connection refused"},
		"the registry fails":             {fault(registrytest.HTTPStatus(500)), "it is not known what an update would change:\nask the registry for assignments: the namespaces of h1: POST"},
		"the registry answers with HTML": {fault(registrytest.HTML()), "not an answer of a registry"},
		"the registry closes":            {fault(registrytest.Disconnect()), "no complete answer"},
		"an endless answer":              {fault(registrytest.Huge(1 << 40)), "larger than 16 MiB"},
		"a namespace fails": {func(_ *testing.T, _ *host, registry *registrytest.Server) {
			registry.SetItemsFault("web.shop", registrytest.HalfJSON())
		}, "the registry's answer is not complete: namespace web.shop: "},
		"a wrong config": {func(t *testing.T, h *host, _ *registrytest.Server) {
			h.write(t, "agent.conf", "agent.registry = 1\n")
		}, "the config cannot be used:"},
	} {
		t.Run(name, func(t *testing.T) {
			h, registry := planHost(t, "")
			test.spoil(t, h, registry)
			r := execute(t, "plan", "-f", h.config)
			require.Equal(t, 1, r.code, r.stdout)
			require.Contains(t, r.stderr, test.want)
		})
	}
}

func TestPlanOfStateThatIsNoFileIsNotHeldUp(t *testing.T) {
	h, _ := planHost(t, "")
	state := filepath.Join(h.dir, "plugins", ".agent", "state")
	require.NoError(t, os.MkdirAll(state, 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(state, "assignments.json"), 0o600))
	r := execute(t, "plan", "-f", h.config)
	require.Equal(t, 2, r.code, r.stderr)
	require.Contains(t, r.stdout, "assignments.json is damaged, so an agent that starts now does without it")
	require.Contains(t, r.stdout, "is a named pipe")
	_, err := os.Lstat(filepath.Join(state, "assignments.json"))
	require.NoError(t, err, "it stays where it is")
}

func TestPlanAsAnotherUserSaysAsWhomToRunIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a command as another user")
	}
	dir := openDir(t)
	content, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	program := filepath.Join(dir, "agent")
	require.NoError(t, os.WriteFile(program, content, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "registry.toml"), []byte("[[namespace]]\nname = \"web\"\n"), 0o644))
	config := filepath.Join(dir, "agent.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "agent.registryaddr = \"file://%[1]s/registry.toml\"\nagent.datadir = \"%[1]s/data\"\noutput.name = \"stdout\"\n", dir), 0o644))
	require.NoError(t, statefile.Save(filepath.Join(dir, "data", "state", "assignments.json"), []agent.Assignment{{Namespace: "web"}}))

	c := agentCommand(t, "plan", "-f", config)
	c.Path, c.Dir = program, dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	output, _ := c.CombinedOutput()
	require.Equal(t, 1, c.ProcessState.ExitCode(), string(output))
	require.Contains(t, string(output), "a file cannot be read as this user: run it as root (")
	require.Contains(t, string(output), "permission denied")
	r := execute(t, "plan", "-f", config)
	require.Equal(t, 0, r.code, r.stderr)
}
