package agent

import "context"

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

// AssignmentCollector is a [Collector] whose subject the registry names item
// by item, such as the processes and ports of a namespace. It sees the
// assignments of all namespaces at once, so that one look at the host serves
// them all. Where a collector is one, CollectAssigned is called in place of
// Collect and under the same rules. Batches go to the namespace they name; one
// that names none is left out and makes the run a failed one.
type AssignmentCollector interface {
	Collector
	CollectAssigned(ctx context.Context, assignments []Assignment) ([]Batch, error)
}
