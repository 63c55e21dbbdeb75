package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// TestStateOfAnotherMachineIsNotTakenOver starts an agent on the state directory
// of one that has accounts, a disabled plugin and an accepted report.
func TestStateOfAnotherMachineIsNotTakenOver(t *testing.T) {
	plugin := agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{{Name: "PLUGIN.p", Repo: "org/p", Interval: time.Minute}}}
	for name, c := range map[string]struct {
		serial, id string // of the second machine; the first has s1 and i1
		same       bool
	}{
		"nothing has changed":                {"s1", "i1", true},
		"another installation":               {"s1", "i2", false},
		"another serial":                     {"s2", "i1", false},
		"the serial cannot be read any more": {"", "i1", true},
		"nothing is known":                   {"", "", true},
		"only the serial is known":           {"s2", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *world) {
				state := t.TempDir()
				first := newWorld(t, agent.WithStateDir(state), agent.WithMachine("s1", "i1"), every(10*time.Second, "m"))
				first.registry.Assign(plugin)
				first.runner.Publish("org/p", agenttest.Program{Print: "[]"})
				first.run()
				first.pass(time.Minute)
				require.NoError(t, first.DisablePlugin(t.Context(), "web", "org/p"))
				first.stop()
				accepted := first.account("web").Accepted
				require.Positive(t, accepted)

				second := newWorld(t, agent.WithStateDir(state), agent.WithMachine(c.serial, c.id), agent.WithHostname("h2"))
				second.registry.Assign(plugin)
				second.runner.Publish("org/p", agenttest.Program{Print: "[]"})
				second.registry.Reporting.Fail(errAway)
				if c.same {
					require.Equal(t, accepted, second.account("web").Accepted, "also before it runs")
				} else {
					require.Zero(t, second.account("web").Accepted)
				}
				second.run()
				if c.same {
					require.Equal(t, []string{"web"}, second.Namespaces(), "remembered, until the new name is accepted")
					require.Empty(t, second.registry.Hosts())
				} else {
					require.Equal(t, 1, second.log.count("made on another machine"))
					require.Len(t, second.registry.Hosts(), 1, "a new host, not a renamed one")
				}
				require.Equal(t, !c.same, second.Plugins()[0].Enabled)
				second.registry.Reporting.Heal()
				second.pass(time.Minute)
				report := second.registry.Reports()[0]
				require.Equal(t, c.same, report.Changed)
				second.stop()

				third := newWorld(t, agent.WithStateDir(state), agent.WithMachine("", c.id), agent.WithHostname("h2"))
				third.run()
				require.Zero(t, third.log.count("another machine"), "it is this one's now")
				third.stop()
			})
		})
	}
}
