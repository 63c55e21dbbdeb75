package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lodastack/agent/internal/topic"
)

// Collector measures something of the host. See [WithCollector].
//
// Collect returns what it could measure; where that is not all, it returns
// the error beside the metrics. It is never called again before it has
// returned, but it may be called from different goroutines. ctx ends when the
// collector's interval is over or the agent stops. Returned metrics belong to
// the agent.
type Collector interface {
	Collect(ctx context.Context) ([]Metric, error)
}

// CollectorFunc makes a function a [Collector].
type CollectorFunc func(ctx context.Context) ([]Metric, error)

// Collect calls f.
func (f CollectorFunc) Collect(ctx context.Context) ([]Metric, error) { return f(ctx) }

// AssignmentCollector measures what the registry names item by item, such as
// the ports and processes of a namespace. See [WithAssignmentCollector].
//
// CollectAssigned sees the assignments of all namespaces at once, so that one
// look at the host serves them all, and must not change them. Each batch goes
// to the namespace that it names; one that names none, or one that makes no NSQ
// topic, is dropped and makes the run a failed one. Batches may share metrics.
// Otherwise the rules are those of [Collector].
type AssignmentCollector interface {
	CollectAssigned(ctx context.Context, assignments []Assignment) ([]Batch, error)
}

// collectFunc is a collector of either kind as the agent calls it.
type collectFunc func(ctx context.Context, assignments []Assignment) ([]Batch, error)

// everyNamespace stands in a Batch for all namespaces of the host.
const everyNamespace = ""

// collectHost returns a Collector as the agent calls it.
func collectHost(c Collector) collectFunc {
	return func(ctx context.Context, _ []Assignment) ([]Batch, error) {
		var metrics []Metric
		err := recovered(func() (err error) {
			metrics, err = c.Collect(ctx)
			return err
		})
		return []Batch{{Namespace: everyNamespace, Metrics: metrics}}, err
	}
}

// collectAssigned returns an AssignmentCollector as the agent calls it.
func collectAssigned(c AssignmentCollector) collectFunc {
	return func(ctx context.Context, assignments []Assignment) ([]Batch, error) {
		var batches []Batch
		err := recovered(func() (err error) {
			batches, err = c.CollectAssigned(ctx, assignments)
			return err
		})
		named := make([]Batch, 0, len(batches))
		for _, b := range batches {
			if wrong := topic.CheckNamespace("", b.Namespace); wrong != nil {
				err = errors.Join(err, fmt.Errorf("CollectAssigned returned a batch that is dropped: %w", wrong))
				continue
			}
			// Normalising one batch must not change what another shares with it.
			named = append(named, Batch{Namespace: b.Namespace, Metrics: slices.Clone(b.Metrics)})
		}
		return named, err
	}
}
