package agent_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestWhatARegistryGetsWrongIsAProblemAndReachesNothing(t *testing.T) {
	plugin := func(change func(*agent.Plugin)) agent.Assignment {
		p := agent.Plugin{Name: "PLUGIN.p", Repo: "org/p", Interval: time.Minute}
		change(&p)
		return agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{p}}
	}
	for name, test := range map[string]struct {
		wrong   agent.Assignment
		problem string
	}{
		"empty namespace":       {agent.Assignment{}, "ignored: the namespace is empty"},
		"namespace of a path":   {agent.Assignment{Namespace: "../../etc/passwd"}, `ignored: namespace "../../etc/passwd" contains '/'`},
		"long namespace":        {agent.Assignment{Namespace: strings.Repeat("n", 65)}, "has 65 characters"},
		"double namespace":      {agent.Assignment{Namespace: "db"}, "namespace db occurs twice in the answer: the second one is ignored"},
		"negative interval":     {agent.Assignment{Namespace: "web", Intervals: map[string]time.Duration{"M": -time.Second}}, `namespace web: the interval of "M" is ignored: an interval of -1s is negative`},
		"endless interval":      {agent.Assignment{Namespace: "web", Intervals: map[string]time.Duration{"M": math.MaxInt64}}, `the interval of "M" is ignored: an interval of 2562047h47m16.854775807s is too long; the limit is 31 days`},
		"plugin without name":   {plugin(func(p *agent.Plugin) { p.Name = "" }), `namespace web: plugin "" is ignored: its name does not begin with PLUGIN.`},
		"plugin without PLUGIN": {plugin(func(p *agent.Plugin) { p.Name = "mysql" }), `plugin "mysql" is ignored: its name does not begin with PLUGIN.`},
		"plugin's empty name":   {plugin(func(p *agent.Plugin) { p.Name = "PLUGIN." }), `plugin "PLUGIN." is ignored: the name is empty`},
		"plugin's bad name":     {plugin(func(p *agent.Plugin) { p.Name = "PLUGIN.a b" }), `plugin "PLUGIN.a b" is ignored: a name has only`},
		"plugin's long name":    {plugin(func(p *agent.Plugin) { p.Name = "PLUGIN." + strings.Repeat("n", 256) }), "its name has 256 characters; the limit is 255"},
		"plugin's repository":   {plugin(func(p *agent.Plugin) { p.Repo = "../p" }), `its repository "../p": it is not ORG/PROJECT`},
		"plugin's arguments":    {plugin(func(p *agent.Plugin) { p.Args = []string{"a;b"} }), `argument 1, "a;b", contains ;`},
		"plugin's interval":     {plugin(func(p *agent.Plugin) { p.Interval = -1 }), "an interval of -1ns is negative"},
		"plugin's long pause":   {plugin(func(p *agent.Plugin) { p.Interval = 1000 * time.Hour }), "an interval of 1000h0m0s is too long"},
		"plugin's namespace":    {plugin(func(p *agent.Plugin) { p.Namespace = "db" }), "it is assigned to namespace web, but names the namespace"},
		"port":                  {agent.Assignment{Namespace: "web", Ports: []agent.Port{{Name: "PORT.x", Port: 65536}}}, `port "PORT.x" is ignored: its port 65536 is not between 1 and 65535`},
		"port's name":           {agent.Assignment{Namespace: "web", Ports: []agent.Port{{Name: "PORT x", Port: 1}}}, `port "PORT x" is ignored: a name has only`},
		"port's timeout":        {agent.Assignment{Namespace: "web", Ports: []agent.Port{{Name: "PORT.x", Port: 1, Timeout: -1}}}, "its timeout of -1ns is negative"},
		"process's path":        {agent.Assignment{Namespace: "web", Processes: []agent.Process{{Name: "PROC.x", Path: "nginx"}}}, `its executable "nginx" is not an absolute path`},
		"process's name":        {agent.Assignment{Namespace: "web", Processes: []agent.Process{{Name: "", Path: "/bin/x"}}}, `process "" is ignored: the name is empty`},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []agent.Assignment
			collect := assigned(func(assignments []agent.Assignment) []agent.Batch {
				seen = assignments
				return perNamespace(assignments)
			})
			inBubble(t, func(t *testing.T, w *world) {
				w.registry.Assign(test.wrong, agent.Assignment{Namespace: "db", ID: "good"})
				if test.wrong.Namespace == "db" {
					w.registry.Assign(agent.Assignment{Namespace: "db", ID: "good"}, test.wrong)
				}
				w.runner.Publish("org/p", agenttest.Program{Print: "[]"})
				w.run()
				w.pass(2 * time.Minute)
				problems := w.Status().Registry.Problems
				require.Len(t, problems, 1)
				require.Contains(t, problems[0], test.problem)
				require.Contains(t, w.Namespaces(), "db")
				require.Subset(t, []string{"db", "web"}, w.Namespaces())
				require.Empty(t, w.Plugins())
				for _, a := range seen {
					require.Empty(t, a.Intervals)
					require.Empty(t, a.Ports)
					require.Empty(t, a.Processes)
					require.Equal(t, a.Namespace == "db", a.ID == "good")
				}
				for _, p := range w.output.Points() {
					require.Contains(t, []string{"db", "web"}, p.Namespace)
				}

				w.registry.Assign(agent.Assignment{Namespace: "db"}, agent.Assignment{Namespace: "web"})
				require.NoError(t, w.Update(t.Context()))
				require.Empty(t, w.Status().Registry.Problems, "the problem goes with what was wrong")
			}, every(time.Minute, "M"), agent.WithAssignmentCollector("PORT", time.Minute, collect))
		})
	}
}

func TestProblemsOfARegistryFullOfRubbishAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		web := agent.Assignment{Namespace: "web"}
		for i := range 1000 {
			web.Ports = append(web.Ports, agent.Port{Name: fmt.Sprint(i)})
		}
		w.registry.Assign(web)
		w.run()
		problems := w.Status().Registry.Problems
		require.Len(t, problems, 101)
		require.Equal(t, "namespace web: and 900 more problems", problems[100])
	})
}

func TestNamespacesOfAHostAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		many := make([]agent.Assignment, 1200)
		for i := range many {
			many[i].Namespace = fmt.Sprintf("ns%04d", i)
		}
		w.registry.Assign(many...)
		w.run()
		require.Len(t, w.Namespaces(), 1000)
		require.Equal(t, []string{"200 namespaces are ignored: a host can be in 1000, and the answer has more"}, w.Status().Registry.Problems)
		for i := range many {
			many[i].Namespace = fmt.Sprintf("other%04d", i)
		}
		w.registry.Answer(func(context.Context, agent.Host) ([]agent.Assignment, error) { return many[:10], errAway })
		require.Error(t, w.Update(t.Context()))
		require.Len(t, w.Namespaces(), 1000, "known ones stay beside what a failed answer has")
	})
}
