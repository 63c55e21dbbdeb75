package agenttest

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/lodastack/agent"
)

// Collector is an [agent.Collector] that returns the metrics that it was given.
type Collector struct {
	Knobs

	notes      notes
	metrics    []agent.Metric // guarded by notes, as all below
	collecting bool
	runs       int
	violations []string
}

var _ agent.Collector = (*Collector)(nil)

// NewCollector returns a Collector that returns metrics each time.
func NewCollector(metrics ...agent.Metric) *Collector { return &Collector{metrics: metrics} }

// Measure replaces the metrics.
func (c *Collector) Measure(metrics ...agent.Metric) {
	c.notes.change(func() { c.metrics = metrics })
}

// Collect implements [agent.Collector].
func (c *Collector) Collect(ctx context.Context) ([]agent.Metric, error) {
	c.notes.change(func() {
		c.runs++
		if c.collecting {
			c.violations = append(c.violations, "Collect was called before it had returned")
		}
		c.collecting = true
	})
	defer c.notes.change(func() { c.collecting = false })
	if err := c.obey(ctx); err != nil {
		return nil, err
	}
	c.notes.mu.Lock()
	defer c.notes.mu.Unlock()
	metrics := slices.Clone(c.metrics)
	for i := range metrics {
		metrics[i].Tags = maps.Clone(metrics[i].Tags)
	}
	return metrics, nil
}

// WaitFor returns as soon as Collect was called n times, and fails the test
// after 30 seconds.
func (c *Collector) WaitFor(tb testing.TB, n int) {
	tb.Helper()
	c.notes.wait(tb,
		func() bool { return c.runs >= n },
		func() string { return "Collect was not called often enough" })
}

// Violations returns the calls that [agent.Collector] does not allow.
func (c *Collector) Violations() []string {
	c.notes.mu.Lock()
	defer c.notes.mu.Unlock()
	return slices.Clone(c.violations)
}
