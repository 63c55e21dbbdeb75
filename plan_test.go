package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// remember runs an agent with the state directory dir until it has put the
// assignments in force.
func remember(t *testing.T, dir string, assignments ...agent.Assignment) {
	t.Helper()
	a, err := agent.New(agent.WithHostname("h1"), agent.WithStateDir(dir), agent.WithMachine("serial", "id"),
		agent.WithRegistry(agenttest.NewRegistry(assignments...)), agent.WithOutput(agenttest.NewOutput()),
		agent.WithPluginRunner(agenttest.NewPluginRunner()))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	<-a.Ready()
	require.NoError(t, a.Update(ctx)) // the first conversation is over
	cancel()
	require.NoError(t, <-ended)
}

func newPlan(t *testing.T, dir string, registry agent.Registry, refuses func(agent.Plugin) error) (agent.Plan, error) {
	t.Helper()
	return agent.NewPlan(t.Context(), refuses, agent.WithHostname("h1"), agent.WithStateDir(dir),
		agent.WithMachine("serial", "id"), agent.WithRegistry(registry))
}

// inPlan returns assignments of nothing but namespaces.
func inPlan(namespaces ...string) (assignments []agent.Assignment) {
	for _, namespace := range namespaces {
		assignments = append(assignments, agent.Assignment{Namespace: namespace})
	}
	return assignments
}

// changeLines returns the changes in short.
func changeLines(p agent.Plan) (lines []string) {
	for _, c := range p.Changes {
		line := fmt.Sprintf("%s %s %s %s", c.Action, c.What, c.Namespace, c.Name)
		for _, v := range c.Values {
			line += fmt.Sprintf(" %s:%q->%q", v.Name, v.Before, v.After)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPlanNamesWhatComesGoesAndChanges(t *testing.T) {
	const minute = time.Minute
	web := func(change func(*agent.Assignment)) agent.Assignment {
		a := agent.Assignment{
			Namespace: "web", ID: "1", Intervals: map[string]time.Duration{"CPU": minute},
			Plugins:   []agent.Plugin{{Name: "PLUGIN.p", Repo: "org/p", Version: "v1", Interval: minute, Args: []string{"-a", "b"}}},
			Ports:     []agent.Port{{Name: "PORT.a", Port: 80}, {Name: "PORT.a", Port: 81}},
			Processes: []agent.Process{{Name: "PROC.n", Path: "/n"}},
		}
		if change != nil {
			change(&a)
		}
		return a
	}
	for name, test := range map[string]struct {
		next []agent.Assignment
		want []string
	}{
		"nothing": {[]agent.Assignment{web(nil)}, nil},
		"a new namespace": {
			[]agent.Assignment{web(nil), {Namespace: "db", Intervals: map[string]time.Duration{"MEM": minute}}},
			[]string{"add namespace db ", `add interval db MEM interval:""->"1m0s"`},
		},
		"another version": {
			[]agent.Assignment{web(func(a *agent.Assignment) { a.Plugins[0].Version = "v2" })},
			[]string{`modify plugin web org/p version:"v1"->"v2"`},
		},
		"no version": {
			[]agent.Assignment{web(func(a *agent.Assignment) { a.Plugins[0].Version = "" })},
			[]string{`modify plugin web org/p version:"v1"->""`},
		},
		"another repository": {
			[]agent.Assignment{web(func(a *agent.Assignment) { a.Plugins[0].Repo = "other/p" })},
			[]string{
				`remove plugin web org/p name:"PLUGIN.p"->"" version:"v1"->"" interval:"1m0s"->"" args:"[\"-a\" \"b\"]"->""`,
				`add plugin web other/p name:""->"PLUGIN.p" version:""->"v1" interval:""->"1m0s" args:""->"[\"-a\" \"b\"]"`,
			},
		},
		"all of a plugin": {
			[]agent.Assignment{web(func(a *agent.Assignment) {
				a.Plugins[0].Name, a.Plugins[0].Interval, a.Plugins[0].Args = "PLUGIN.q", 0, []string{"-a b"}
			})},
			[]string{`modify plugin web org/p name:"PLUGIN.p"->"PLUGIN.q" interval:"1m0s"->"" args:"[\"-a\" \"b\"]"->"[\"-a b\"]"`},
		},
		"ports of one name": {
			[]agent.Assignment{web(func(a *agent.Assignment) { a.Ports[1].Port, a.Ports[0].Timeout = 82, minute })},
			[]string{`modify port web PORT.a timeout:""->"1m0s"`, `modify port web PORT.a port:"81"->"82"`},
		},
		"a process, an interval and the id": {
			[]agent.Assignment{web(func(a *agent.Assignment) {
				a.ID, a.Processes[0].Path, a.Intervals["CPU"] = "2", "/m", time.Hour
			})},
			[]string{`modify namespace web  id:"1"->"2"`, `modify interval web CPU interval:"1m0s"->"1h0m0s"`, `modify process web PROC.n path:"/n"->"/m"`},
		},
		"things that go": {
			[]agent.Assignment{web(func(a *agent.Assignment) { a.Processes, a.Intervals = nil, nil })},
			[]string{`remove interval web CPU interval:"1m0s"->""`, `remove process web PROC.n path:"/n"->""`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			remember(t, dir, web(nil))
			p, err := newPlan(t, dir, agenttest.NewRegistry(test.next...), nil)
			require.NoError(t, err)
			require.Equal(t, test.want, changeLines(p))
			require.Empty(t, p.Doubt)
			require.Empty(t, p.Problems)
			require.Empty(t, p.Missing)
			again, err := newPlan(t, dir, agenttest.NewRegistry(test.next...), nil)
			require.NoError(t, err)
			require.Equal(t, p, again)

			// The plan is what an update then does.
			remember(t, dir, test.next...)
			p, err = newPlan(t, dir, agenttest.NewRegistry(test.next...), nil)
			require.NoError(t, err)
			require.Empty(t, p.Changes)
		})
	}
}

func TestWithoutAnythingRememberedEverythingComes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	p, err := newPlan(t, dir, agenttest.NewRegistry(inPlan("a", "b")...), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"add namespace a ", "add namespace b "}, changeLines(p))
	require.Empty(t, p.Notes)
	require.NoDirExists(t, dir)
}

func TestPlanChangesNothing(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, inPlan("a")...)
	registry := agenttest.NewRegistry(inPlan("b", "c")...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "host.json"), []byte("rubbish"), 0o600))
	before := readDir(t, dir)
	_, err := newPlan(t, dir, registry, nil)
	require.NoError(t, err)
	require.Equal(t, before, readDir(t, dir))
	require.Empty(t, registry.Reports())
}

func readDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		files[entry.Name()] = fmt.Sprint(info.ModTime(), string(content))
	}
	return files
}

func TestPlanSaysWhatIsRefusedDoubtedAndIgnored(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, inPlan("a", "b", "c")...)
	answer := agent.Assignment{Namespace: "a", Problems: []string{"item 3 is odd"}, Plugins: []agent.Plugin{
		{Name: "PLUGIN.p", Repo: "org/p"},
		{Name: "PLUGIN.q", Repo: "org/q", Version: "v1"},
		{Name: "PLUGIN.other", Repo: "other/p"},
		{Name: "bad", Repo: "org/r"},
	}}
	p, err := newPlan(t, dir, agenttest.NewRegistry(answer), func(p agent.Plugin) error {
		if p.Version != "" {
			return nil
		}
		return &agent.PolicyError{Rule: "policy.pinned", Err: errors.New("refused by policy.pinned: no version")}
	})
	require.NoError(t, err)
	require.Equal(t, []agent.PlanRefusal{{Namespace: "a", Repo: "org/p", Rule: "policy.pinned", Reason: "refused by policy.pinned: no version"}}, p.Refused)
	require.Len(t, p.Problems, 3)
	require.Equal(t, "namespace a: item 3 is odd", p.Problems[0])
	require.Contains(t, p.Problems[1], `namespace a: plugin "bad" is ignored`)
	require.Contains(t, p.Problems[2], "plugin PLUGIN.other: the project p is assigned to namespace a already")
	require.Empty(t, p.Doubt, "3 of 3 things are left")

	p, err = newPlan(t, dir, agenttest.NewRegistry(), nil)
	require.NoError(t, err)
	require.Contains(t, p.Doubt, "more than half")
	require.Len(t, p.Changes, 3)
}

func TestPlanOfARegistryThatIsAwayIsAnError(t *testing.T) {
	registry := agenttest.NewRegistry(inPlan("a")...)
	registry.Fail(errAway)
	_, err := newPlan(t, t.TempDir(), registry, nil)
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, "ask the registry")

	registry.Panic("boom")
	_, err = newPlan(t, t.TempDir(), registry, nil)
	require.ErrorContains(t, err, "panic: boom")
}

func TestPlanOfARegistryThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := agenttest.NewRegistry(inPlan("a")...)
		registry.Hang()
		began := time.Now()
		_, err := newPlan(t, t.TempDir(), registry, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestNamespaceThatCouldNotBeHadStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, inPlan("a", "b", "c")...)
	p, err := newPlan(t, dir, agent.RegistryFunc(func(context.Context, agent.Host) ([]agent.Assignment, error) {
		return inPlan("a"), &agent.PartialError{Namespaces: map[string]error{"b": errAway}}
	}), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"remove namespace c "}, changeLines(p))
	require.Equal(t, 2, p.Unchanged)
	require.Equal(t, "namespace b: away", p.Missing)
}

func TestPlanDoesWithoutWhatTheNextStartWouldNotUse(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		note  string
	}{
		"rubbish": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "assignments.json"), []byte(`[{"namespace":"a"},{"namespace":7}]`), 0o600))
		}, "assignments.json is damaged"},
		"a huge file": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "assignments.json"), 1<<40))
		}, "assignments.json is damaged"},
		"another machine's": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "machine.json"), []byte(`{"serial":"other"}`), 0o600))
		}, "was made on another machine"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			remember(t, dir, inPlan("a")...)
			test.spoil(t, dir)
			p, err := newPlan(t, dir, agenttest.NewRegistry(inPlan("a")...), nil)
			require.NoError(t, err)
			require.Equal(t, []string{"add namespace a "}, changeLines(p))
			require.Len(t, p.Notes, 1)
			require.Contains(t, p.Notes[0], test.note)
		})
	}
}

func TestPlanOfARenamedHostSaysSo(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, inPlan("a")...)
	p, err := agent.NewPlan(t.Context(), nil, agent.WithHostname("h2"), agent.WithStateDir(dir),
		agent.WithMachine("serial", "id"), agent.WithRegistry(agenttest.NewRegistry(inPlan("a")...)))
	require.NoError(t, err)
	require.Equal(t, "h2", p.Host)
	require.Len(t, p.Notes, 1)
	require.Contains(t, p.Notes[0], "the host is h2 now and the registry knows it as h1")
}

func TestPlanOfTooManyNamespacesIsBounded(t *testing.T) {
	answer := make([]agent.Assignment, 10_000)
	for i := range answer {
		answer[i] = agent.Assignment{Namespace: fmt.Sprintf("n%d", i), Ports: []agent.Port{{Name: "PORT.a", Port: 1}}}
	}
	answer = append(answer, agent.Assignment{Namespace: "\x1b[2J"})
	p, err := newPlan(t, t.TempDir(), agenttest.NewRegistry(answer...), nil)
	require.NoError(t, err)
	require.Len(t, p.Changes, 2*1000)
	require.Contains(t, strings.Join(p.Problems, "\n"), "9000 namespaces are ignored")
	require.NotContains(t, strings.Join(p.Problems, "\n"), "\x1b")
}

func TestPlanInJSONHasListsAndNoNull(t *testing.T) {
	p, err := newPlan(t, t.TempDir(), agenttest.NewRegistry(), nil)
	require.NoError(t, err)
	encoded, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, `{"host":"h1","changes":[],"unchanged":0,"refused":[],"problems":[],"notes":[]}`, string(encoded))
}

func TestPlanNeedsARegistry(t *testing.T) {
	_, err := agent.NewPlan(t.Context(), nil)
	require.ErrorContains(t, err, "use WithRegistry")
}

func BenchmarkPlanOf200Plugins(b *testing.B) {
	dir := b.TempDir()
	web := agent.Assignment{Namespace: "web"}
	for i := range 200 {
		web.Plugins = append(web.Plugins, agent.Plugin{Name: fmt.Sprintf("PLUGIN.p%d", i), Repo: fmt.Sprintf("org/p%d", i), Interval: time.Minute})
	}
	for b.Loop() {
		p, err := agent.NewPlan(b.Context(), nil, agent.WithHostname("h1"), agent.WithStateDir(dir), agent.WithRegistry(agenttest.NewRegistry(web)))
		require.NoError(b, err)
		require.Len(b, p.Changes, 201)
	}
}
