package agent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// runWithRegistry runs an agent that asks every 10 minutes, in a bubble, until
// the test ends.
func runWithRegistry(t *testing.T, registry agent.Registry) *agent.Agent {
	t.Helper()
	a, err := agent.New(agent.WithRegistry(registry), agent.WithOutput(agenttest.NewOutput()), agent.WithHostname("h"))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	synctest.Wait()
	return a
}

func namespaces(names ...string) (assignments []agent.Assignment) {
	for _, name := range names {
		assignments = append(assignments, agent.Assignment{Namespace: name})
	}
	return assignments
}

func TestAnAnswerThatTakesAwayMostIsBelievedWhenItComesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := agenttest.NewRegistry(namespaces("a", "b", "c")...)
		a := runWithRegistry(t, registry)

		registry.Assign(namespaces("a")...)
		require.ErrorContains(t, a.Update(t.Context()), "more than half")
		require.Equal(t, []string{"a", "b", "c"}, a.Namespaces())
		require.Contains(t, a.Status().Registry.Problems[0], "more than half")

		time.Sleep(59 * time.Second)
		require.Error(t, a.Update(t.Context()), "the second answer came too early to confirm")
		require.Len(t, a.Namespaces(), 3)

		time.Sleep(2 * time.Second)
		require.NoError(t, a.Update(t.Context()))
		require.Equal(t, []string{"a"}, a.Namespaces())
		require.Empty(t, a.Status().Registry.Problems)
	})
}

func TestARegistryThatIsEmptyForAMomentTakesNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := agenttest.NewRegistry(namespaces("a", "b", "c")...)
		a := runWithRegistry(t, registry)

		registry.Assign()
		require.Error(t, a.Update(t.Context()))
		registry.Assign(namespaces("a", "b", "c")...)
		time.Sleep(2 * time.Minute)
		require.NoError(t, a.Update(t.Context()))
		registry.Assign()
		require.Error(t, a.Update(t.Context()), "the doubt begins anew")
		require.Len(t, a.Namespaces(), 3)
	})
}

func TestTheAgentItselfAsksAgainAMinuteAfterADoubtfulAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := agenttest.NewRegistry(namespaces("a", "b", "c")...)
		a := runWithRegistry(t, registry)

		registry.Assign(namespaces("a")...)
		time.Sleep(10*time.Minute + 61*time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a"}, a.Namespaces())
	})
}

func TestLosingHalfIsNotDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := agenttest.NewRegistry(namespaces("a", "b")...)
		a := runWithRegistry(t, registry)

		registry.Assign(namespaces("a")...)
		require.NoError(t, a.Update(t.Context()))
		require.Equal(t, []string{"a"}, a.Namespaces())
	})
}
