package agenttest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// CollectorSubject is a collector to be tested: one of the two is set. Other
// fields may be nil, and then some tests are skipped.
type CollectorSubject struct {
	Collector agent.Collector
	// Assigned collects the items in Assignments.
	Assigned    agent.AssignmentCollector
	Assignments []agent.Assignment
	// Hang makes measurements hang. Mend ends that.
	Hang, Mend func()
}

// collect collects once. The metrics of a Collector get no namespace.
func (s CollectorSubject) collect(ctx context.Context) ([]agent.Batch, error) {
	if s.Assigned != nil {
		return s.Assigned.CollectAssigned(ctx, s.Assignments)
	}
	metrics, err := s.Collector.Collect(ctx)
	return []agent.Batch{{Metrics: metrics}}, err
}

// TestCollector checks the promises in the comments of [agent.Collector] and
// [agent.AssignmentCollector]. open makes a new subject for each subtest. No
// other tests may run in parallel, because the suite reports goroutines that
// are left.
func TestCollector(t *testing.T, open func(t *testing.T) CollectorSubject) {
	for name, test := range map[string]func(*testing.T, CollectorSubject){
		"MeasuresWhatCanBeSent":          testCollects,
		"IsCalledFromDifferentGoroutine": testCollectsAnywhere,
		"NamesOnlyAssignedNamespaces":    testCollectsAssigned,
		"ReturnsSoonAfterItsContextEnds": testCollectReturnsSoon,
		"DoesNotKeepWhatItReturned":      testCollectsAnew,
	} {
		subtest(t, name, func(t *testing.T) { test(t, open(t)) })
	}
}

func testCollects(t *testing.T, s CollectorSubject) {
	for range 2 {
		batches, err := s.collect(bounded(t))
		require.NoError(t, err)
		points := pointsOf(batches...)
		require.NotEmpty(t, points)
		for _, p := range points {
			assert.NoError(t, p.Validate(), "%s", p.Name)
		}
	}
}

func testCollectsAnywhere(t *testing.T, s CollectorSubject) {
	ctx := bounded(t)
	for range 3 {
		collected := make(chan error, 1)
		go func() {
			_, err := s.collect(ctx)
			collected <- err
		}()
		require.NoError(t, <-collected)
	}
}

func testCollectsAssigned(t *testing.T, s CollectorSubject) {
	if s.Assigned == nil {
		t.Skip("the subject measures the host")
	}
	assigned := make(map[string]bool)
	for _, a := range s.Assignments {
		assigned[a.Namespace] = true
	}
	before := make([]agent.Assignment, len(s.Assignments))
	for i, a := range s.Assignments {
		before[i] = cloneAssignment(a)
	}
	batches, err := s.collect(bounded(t))
	require.NoError(t, err)
	for _, b := range batches {
		assert.True(t, assigned[b.Namespace], "namespace %q is not assigned", b.Namespace)
	}
	require.Equal(t, before, s.Assignments, "the assignments are not changed")
	batches, err = s.Assigned.CollectAssigned(bounded(t), nil)
	require.NoError(t, err)
	require.Empty(t, pointsOf(batches...), "nothing is assigned")
}

func testCollectReturnsSoon(t *testing.T, s CollectorSubject) {
	if s.Hang != nil {
		s.Hang()
		defer s.Mend()
	}
	returnsSoon(t, "a collection", func(ctx context.Context) { _, _ = s.collect(ctx) })
}

// testCollectsAnew changes the returned metrics, as the agent does.
func testCollectsAnew(t *testing.T, s CollectorSubject) {
	batches, err := s.collect(bounded(t))
	require.NoError(t, err)
	for _, b := range batches {
		for i := range b.Metrics {
			b.Metrics[i].Name = "changed"
			if b.Metrics[i].Tags != nil {
				b.Metrics[i].Tags["changed"] = "yes"
			}
		}
	}
	batches, err = s.collect(bounded(t))
	require.NoError(t, err)
	for _, p := range pointsOf(batches...) {
		assert.NotEqual(t, "changed", p.Name)
		assert.NotContains(t, p.Tags, "changed")
	}
}
