package delivery_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

// writeTogether starts a caller for each list of points while the output is busy, so that
// their writes are merged, and returns the error of each. then answers the merged write and
// later ones.
func writeTogether(e *engine, then answer, lists ...[]int) []error {
	e.t.Helper()
	release := make(chan struct{})
	e.output.set(func(ctx context.Context, b batch) error { <-release; return nil })
	var callers sync.WaitGroup
	callers.Go(func() { _ = e.write(-1) })
	synctest.Wait()
	errs := make([]error, len(lists))
	for i, points := range lists {
		callers.Go(func() { errs[i] = e.write(points...) })
		synctest.Wait()
	}
	e.output.set(then)
	close(release)
	callers.Wait()
	return errs
}

func TestARefusedBatchOfManyMergedOnesIsFoundInFewWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		var lists [][]int
		var good []int
		for i := range 256 {
			lists = append(lists, []int{2 * i, 2*i + 1})
			if i != 100 {
				good = append(good, lists[i]...)
			}
		}
		errs := writeTogether(e, refuse(200), lists...)
		for i, err := range errs {
			require.Equal(t, i == 100, err != nil, "caller %d: %v", i, err)
		}
		require.Equal(t, append([]int{-1}, good...), e.output.points(), "each of the others once")
		require.LessOrEqual(t, e.output.count(), 2+2*8)
		require.Equal(t, delivery.Account{Accepted: 511, Delivered: 511}, e.account())
		e.close()
	})
}

func TestPointsThatTheOutputNamesAreTheirCallersAndNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		partly := func(context.Context, batch) error {
			return &delivery.Refusal{Reason: "too_large", Indexes: []int{1, 3}, Err: errors.New("too large")}
		}
		errs := writeTogether(e, partly, []int{0, 1, 2}, []int{3}, []int{4, 5})
		var refusal *delivery.Refusal
		require.ErrorAs(t, errs[0], &refusal)
		require.Equal(t, []int{1}, refusal.Indexes)
		require.Equal(t, 1, refusal.Points)
		require.False(t, refusal.Uncertain)
		require.ErrorAs(t, errs[1], &refusal)
		require.Equal(t, 1, refusal.Points, "all of it")
		require.NoError(t, errs[2])
		require.Equal(t, 2, e.output.count(), "nothing is written twice")
		require.Equal(t, delivery.Account{Accepted: 6, Delivered: 5, Dropped: map[string]int64{"too_large": 1}}, e.account(),
			"the batch that was refused whole was not accepted")
		e.close()
	})
}

func TestPointsThatTheOutputDoesNotNameAreCountedOnceAndSaidToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		partly := func(context.Context, batch) error {
			return &delivery.Refusal{Reason: "too_large", Points: 1, Err: errors.New("too large")}
		}
		for _, err := range writeTogether(e, partly, []int{0, 1, 2}, []int{3}, []int{4, 5}) {
			var refusal *delivery.Refusal
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, 1, refusal.Points)
			require.True(t, refusal.Uncertain)
		}
		require.Equal(t, 2, e.output.count(), "nothing is written twice")
		require.Equal(t, delivery.Account{Accepted: 7, Delivered: 6, Dropped: map[string]int64{"too_large": 1}}, e.account())
		e.close()
	})
}

func TestStoredBatchesThatAreRefusedTogetherAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &store{})
		e.output.set(away)
		for i := range 10 {
			require.NoError(t, e.write(2*i, 2*i+1))
		}
		e.output.set(refuse(7))
		e.settle()
		require.Equal(t, delivery.Account{Accepted: 20, Delivered: 18, Dropped: map[string]int64{"bad": 2}}, e.account())
		require.Len(t, e.output.points(), 18)
		e.close()
	})
}
