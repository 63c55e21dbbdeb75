package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/schedule"
	"github.com/lodastack/agent/internal/topic"
)

// Collector measures something of the host. See [WithCollector].
//
// Collect returns the metrics that it could measure, together with an error if some are
// missing. It is never called again before it has returned, but it may be called from
// different goroutines. ctx ends shortly before the next start is due, or when the agent stops.
// Returned metrics belong to the agent.
type Collector interface {
	Collect(ctx context.Context) ([]Metric, error)
}

// CollectorFunc makes a function a [Collector].
type CollectorFunc func(ctx context.Context) ([]Metric, error)

// Collect calls f.
func (f CollectorFunc) Collect(ctx context.Context) ([]Metric, error) { return f(ctx) }

// AssignmentCollector measures items that the registry names one by one, such as the ports
// and processes of a namespace. See [WithAssignmentCollector].
//
// CollectAssigned gets the assignments of all namespaces at once, so that it need look at
// the host only once. It must not change them. Each batch goes to the namespace that it
// names. A batch whose namespace is empty, or cannot be an NSQ topic, is dropped, and the
// run counts as failed. Batches may share metrics. Otherwise the rules are those of
// [Collector].
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

// shortestInterval is the shortest interval of a collector that a registry may assign.
const shortestInterval = 10 * time.Millisecond

// collection is a collector of the agent, with its state.
type collection struct {
	kind   string
	every  time.Duration // default interval; 0: none
	source collectFunc

	mu     sync.Mutex
	status CollectorStatus // guarded by mu
}

// interval returns the smallest interval that an assignment gives the kind,
// else the default; 0 if there is none.
func (c *collection) interval(assignments []Assignment) time.Duration {
	var smallest time.Duration
	for _, assignment := range assignments {
		if interval := assignment.Intervals[c.kind]; interval > 0 && (smallest == 0 || interval < smallest) {
			smallest = interval
		}
	}
	if smallest == 0 {
		return c.every
	}
	return smallest
}

// collectionJob returns the collection as a job of the given interval.
func (a *Agent) collectionJob(c *collection, interval time.Duration) schedule.Job {
	return schedule.Job{
		Interval: interval,
		Phase:    schedule.PhaseOf(interval, a.hostname()),
		AtOnce:   true,
		Run:      func(ctx context.Context) { a.collect(ctx, c, interval) },
	}
}

// collect collects once and puts the points into the buffer.
func (a *Agent) collect(ctx context.Context, c *collection, interval time.Duration) {
	assignments := a.assigned()
	if len(assignments) == 0 {
		return
	}
	if !c.begin(interval) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, schedule.RunTime(interval))
	defer cancel()
	batches, err := c.source(ctx, assignments)
	if ctx.Err() == context.Canceled {
		err = nil // the agent stops, or the collector is scheduled anew
	}
	normalise := a.normaliser("")
	var bad []*MetricError
	points := 0
	for _, batch := range batches {
		good, refused := normalise.list(batch.Metrics)
		bad = append(bad, refused...)
		points += len(good)
		if batch.Namespace != everyNamespace {
			a.addNormalised(batch.Namespace, good)
			continue
		}
		a.addToAll(interval, assignments, good)
	}
	c.end(points, bad, err, a.config.logger)
}

// begin notes the beginning of a run. It returns false if the last run goes on, which is so
// only for a kind that was taken off the schedule and put back.
func (c *collection) begin(interval time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Running {
		return false
	}
	c.status.Interval = interval.Seconds()
	c.status.LastRun = time.Now()
	c.status.Running = true
	c.status.Runs++
	return true
}

// end notes the result of a run, and logs it if it differs from the last one.
func (c *collection) end(points int, bad []*MetricError, err error, logger *slog.Logger) {
	now := errorText(err)
	c.mu.Lock()
	firstBad, was := c.status.Invalid == 0, c.status.Error
	c.status.Running = false
	c.status.Duration = time.Since(c.status.LastRun).Seconds()
	c.status.Points, c.status.Error = points, now
	c.status.Invalid += int64(len(bad))
	c.status.InvalidError = ""
	if len(bad) > 0 {
		c.status.InvalidError = bad[0].Error()
	}
	if err != nil {
		c.status.Failures++
	}
	c.mu.Unlock()
	if len(bad) > 0 && firstBad {
		logger.Warn("a collector returned metrics that cannot be sent: they are left out", event.Attr(event.MetricsInvalid), "kind", c.kind, "count", len(bad), "error", bad[0])
	}
	switch {
	case now == was:
	case err != nil:
		logger.Error("a collector failed", event.Attr(event.CollectorFailed), "kind", c.kind, "error", err)
	default:
		logger.Info("a collector works again", event.Attr(event.CollectorRecovered), "kind", c.kind)
	}
}

// currentStatus returns the status of the collection.
func (c *collection) currentStatus() CollectorStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.status
	status.Kind = c.kind
	return status
}
