package agenttest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// TestStore checks the promises in the comments of [agent.Store]. open opens a
// store in dir, which is empty or belonged to another store that is closed. No
// other tests may run in parallel, because the suite reports goroutines that
// are left.
func TestStore(t *testing.T, open func(t *testing.T, dir string) agent.Store) {
	for name, test := range map[string]func(*testing.T, *storeSubject){
		"NextReturnsWhatWasPutAsItWas":   testStoreReturns,
		"NextReturnsNothingWhereThereIs": testStoreEmpty,
		"DoneRemovesAndKeepsTheRest":     testStoreDone,
		"RewindReturnsWhatIsNotDone":     testStoreRewind,
		"WhatIsNotDoneOutlivesTheStore":  testStoreReopened,
		"InspectTellsWhatIsKept":         testStoreInspect,
		"CloseMayBeCalledTwice":          testStoreClose,
	} {
		subtest(t, name, func(t *testing.T) {
			s := &storeSubject{t: t, dir: t.TempDir(), open: open}
			s.reopen()
			defer func() { assert.NoError(t, s.Close(bounded(t))) }()
			test(t, s)
		})
	}
}

// storeSubject is a store under test.
type storeSubject struct {
	agent.Store
	t    *testing.T
	dir  string
	open func(t *testing.T, dir string) agent.Store
}

// reopen closes the store and opens it again.
func (s *storeSubject) reopen() {
	s.t.Helper()
	if s.Store != nil {
		require.NoError(s.t, s.Close(bounded(s.t)))
	}
	s.Store = s.open(s.t, s.dir)
}

func (s *storeSubject) put(batches ...agent.Batch) {
	s.t.Helper()
	require.NoError(s.t, s.Put(bounded(s.t), batches))
}

// next returns the points of the next batches.
func (s *storeSubject) next() (points []Point) {
	s.t.Helper()
	batches, err := s.Next(bounded(s.t))
	require.NoError(s.t, err)
	return pointsOf(batches...)
}

// all returns the points of all further batches, which are not done.
func (s *storeSubject) all() (points []Point) {
	s.t.Helper()
	for piece := s.next(); len(piece) > 0; piece = s.next() {
		points = append(points, piece...)
	}
	return points
}

func pointsOf(batches ...agent.Batch) (points []Point) {
	for _, b := range batches {
		for _, m := range b.Metrics {
			points = append(points, Point{b.Namespace, m})
		}
	}
	return points
}

func testStoreReturns(t *testing.T, s *storeSubject) {
	first, second, third := sampleBatch("first", 1), sampleBatch("second-ns.1", 2000), sampleBatch("first", 2)
	before := cloneBatch(first)
	s.put(first, second)
	s.put(third)
	require.Equal(t, before, first, "the batch is not changed")
	require.Equal(t, pointsOf(first, second, third), s.all())
}

func testStoreEmpty(t *testing.T, s *storeSubject) {
	require.Empty(t, s.Waiting())
	require.Empty(t, s.next())
	s.Rewind()
	require.Empty(t, s.Losses())
}

func testStoreDone(t *testing.T, s *storeSubject) {
	first, second := sampleBatch("ns", 1), sampleBatch("ns", 2)
	s.put(first)
	require.Equal(t, pointsOf(first), s.next())
	s.put(second)
	require.Equal(t, pointsOf(second), s.next())
	rest := agent.Batch{Namespace: "ns", Metrics: first.Metrics[2:]}
	require.NoError(t, s.Done(bounded(t), []agent.Batch{rest}))
	require.Equal(t, pointsOf(rest), s.next(), "the rest comes after all others")
	require.NoError(t, s.Done(bounded(t), nil))
	require.NoError(t, s.Done(bounded(t), nil))
	s.Rewind()
	require.Empty(t, s.next(), "all is done")
	require.Empty(t, s.Losses())
}

func testStoreRewind(t *testing.T, s *storeSubject) {
	first, second := sampleBatch("ns", 1), sampleBatch("ns", 2)
	s.put(first)
	require.Equal(t, pointsOf(first), s.next())
	s.put(second)
	require.Equal(t, pointsOf(second), s.next())
	s.Rewind()
	require.Equal(t, pointsOf(first, second), s.all())
	require.NoError(t, s.Done(bounded(t), nil))
	s.Rewind()
	rest := s.all()
	require.True(t, len(rest) == 0 || slices.EqualFunc(rest, pointsOf(second), func(a, b Point) bool { return describe(a) == describe(b) }), "what is done does not come again")
}

func testStoreReopened(t *testing.T, s *storeSubject) {
	first, second := sampleBatch("first", 1), sampleBatch("second", 2)
	s.put(first)
	require.Equal(t, pointsOf(first), s.next())
	s.put(second)
	require.NoError(t, s.Done(bounded(t), nil))
	s.reopen()
	waiting := map[string]int64{"second": int64(len(second.Metrics))}
	require.Equal(t, waiting, s.Waiting())
	require.Equal(t, pointsOf(second), s.all())
	s.Rewind()
	require.Equal(t, waiting, s.Waiting(), "another agent may go on with an open store")
	s.reopen()
	require.Equal(t, pointsOf(second), s.all(), "batches that were read and are not done are still there")
}

func testStoreInspect(t *testing.T, s *storeSubject) {
	require.Zero(t, s.Inspect().Points)
	batch := sampleBatch("ns", 3)
	s.put(batch)
	require.EqualValues(t, len(batch.Metrics), s.Inspect().Points)
	require.Empty(t, s.Inspect().Problems)
}

func testStoreClose(t *testing.T, s *storeSubject) {
	require.NoError(t, s.Close(bounded(t)))
	require.NoError(t, s.Close(bounded(t)))
	require.Error(t, s.Put(bounded(t), []agent.Batch{sampleBatch("late", 1)}))
	returnsSoon(t, "Close", func(ctx context.Context) { _ = s.Close(ctx) })
}
