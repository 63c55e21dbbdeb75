package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnswerThatTakesAwayMostIsBelievedTheSecondTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("a", "b", "c")...)
		w.run()
		w.registry.Assign(assign("a")...)
		require.ErrorContains(t, w.Update(t.Context()), "more than half")
		require.Equal(t, []string{"a", "b", "c"}, w.Namespaces())
		require.Contains(t, w.Status().Registry.Problems[0], "more than half")
		require.WithinDuration(t, time.Now(), w.Status().Registry.Doubted, 0)
		var changes []string
		for _, c := range w.Status().Registry.Changes {
			changes = append(changes, string(c.Action)+" "+c.What+" "+c.Namespace)
		}
		require.Equal(t, []string{"remove namespace b", "remove namespace c"}, changes)

		w.pass(59 * time.Second)
		require.Error(t, w.Update(t.Context()), "too soon to count as a second time")
		require.Len(t, w.Namespaces(), 3)

		w.pass(2 * time.Second)
		require.NoError(t, w.Update(t.Context()))
		require.Equal(t, []string{"a"}, w.Namespaces())
		require.Empty(t, w.Status().Registry.Problems)
		require.Zero(t, w.Status().Registry.Doubted)
		require.Empty(t, w.Status().Registry.Changes)
	})
}

func TestRegistryThatIsEmptyForAMomentTakesNothingAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("a", "b", "c")...)
		w.run()
		w.registry.Assign()
		require.Error(t, w.Update(t.Context()))
		w.registry.Assign(assign("a", "b", "c")...)
		w.pass(2 * time.Minute)
		require.NoError(t, w.Update(t.Context()))
		w.registry.Assign()
		require.Error(t, w.Update(t.Context()), "the doubt begins anew")
		require.Len(t, w.Namespaces(), 3)
	})
}

func TestAnotherDoubtfulAnswerConfirmsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("a", "b", "c")...)
		w.run()
		w.registry.Assign(assign("a")...)
		require.Error(t, w.Update(t.Context()))
		w.pass(50 * time.Second)
		w.registry.Assign(assign("b")...)
		require.Error(t, w.Update(t.Context()))
		w.pass(50 * time.Second)
		require.Error(t, w.Update(t.Context()), "the first answer, 100 s ago, said something else")
		require.Len(t, w.Namespaces(), 3)
	})
}

func TestAgentItselfAsksAgainAMinuteAfterADoubtfulAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("a", "b", "c")...)
		w.run()
		w.registry.Assign(assign("a")...)
		w.pass(10*time.Minute + 61*time.Second)
		require.Equal(t, []string{"a"}, w.Namespaces())
	})
}

func TestLosingHalfIsNotDoubted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("a", "b")...)
		w.run()
		w.registry.Assign(assign("a")...)
		require.NoError(t, w.Update(t.Context()))
		require.Equal(t, []string{"a"}, w.Namespaces())
	})
}
