package budget_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/budget"
)

func TestNoMoreIsTakenThanThereIs(t *testing.T) {
	b := budget.New(10)
	require.True(t, b.TryTake(7))
	require.False(t, b.TryTake(4))
	require.True(t, b.TryTake(3), "what was refused was not taken")
	b.Give(7)
	require.True(t, b.TryTake(7))
	require.False(t, b.TryTake(1))
}

func TestTakersAtOnceGetTheTotalAtMost(t *testing.T) {
	const total = 100
	b := budget.New(total)
	var taken atomic.Int64
	var takers sync.WaitGroup
	for range 2 * total {
		takers.Go(func() {
			if b.TryTake(1) {
				taken.Add(1)
			}
		})
	}
	takers.Wait()
	require.LessOrEqual(t, taken.Load(), int64(total))
	require.True(t, b.TryTake(total-taken.Load()), "nothing is lost")
}
