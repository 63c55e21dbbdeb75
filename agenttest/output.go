package agenttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lodastack/agent"
)

// Point is a metric with the namespace that it was sent to.
type Point struct {
	Namespace string
	agent.Metric
}

// Output is an [agent.Output] that records its batches. Its knobs affect Write.
type Output struct {
	Knobs

	notes      notes
	answer     func(context.Context, agent.Batch) error // guarded by notes, as all below
	attempts   []agent.Batch
	batches    []agent.Batch
	writing    int
	closed     bool
	violations []string
}

var _ agent.Output = (*Output)(nil)

// NewOutput returns an Output that accepts every batch.
func NewOutput() *Output { return new(Output) }

// Answer makes f answer each Write: nil accepts the batch. A nil f makes the
// output accept every batch again.
func (o *Output) Answer(f func(context.Context, agent.Batch) error) {
	o.notes.change(func() { o.answer = f })
}

// Write implements [agent.Output].
func (o *Output) Write(ctx context.Context, b agent.Batch) error {
	b = cloneBatch(b)
	var answer func(context.Context, agent.Batch) error
	o.notes.change(func() {
		o.attempts = append(o.attempts, b)
		o.violations = append(o.violations, faults(b)...)
		if o.closed {
			o.violations = append(o.violations, "Write was called after Close")
		}
		o.writing++
		answer = o.answer
	})
	defer o.notes.change(func() { o.writing-- })
	if err := o.obey(ctx); err != nil {
		return err
	}
	if answer != nil {
		if err := answer(ctx, b); err != nil {
			return err
		}
	}
	o.notes.change(func() { o.batches = append(o.batches, b) })
	return nil
}

// Close implements [agent.Output].
func (o *Output) Close(context.Context) error {
	o.notes.change(func() {
		if o.writing > 0 && !o.hangsForever() { // nobody can wait for a Write that hangs for ever
			o.violations = append(o.violations, "Close was called before a Write had returned")
		}
		o.closed = true
	})
	return nil
}

// Closed reports whether Close was called.
func (o *Output) Closed() bool {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return o.closed
}

// Attempts returns the batch of each Write, including those that failed or have
// not returned, in order.
func (o *Output) Attempts() []agent.Batch {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return slices.Clone(o.attempts)
}

// Batches returns the batches that the output accepted, in order.
func (o *Output) Batches() []agent.Batch {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return slices.Clone(o.batches)
}

// Points returns the points that the output accepted, in order.
func (o *Output) Points() []Point {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return o.points(func(Point) bool { return true })
}

// Named returns the accepted points of one measurement, in order.
func (o *Output) Named(name string) []Point {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return o.points(func(p Point) bool { return p.Name == name })
}

// points returns the wanted points. The caller holds notes.
func (o *Output) points(wanted func(Point) bool) []Point {
	var points []Point
	for _, batch := range o.batches {
		for _, m := range batch.Metrics {
			if p := (Point{Namespace: batch.Namespace, Metric: m}); wanted(p) {
				points = append(points, p)
			}
		}
	}
	return points
}

// WaitFor returns the accepted points as soon as there are n, and fails the
// test after 30 seconds.
func (o *Output) WaitFor(tb testing.TB, n int) []Point {
	tb.Helper()
	return o.waitFor(tb, n, "points", func(Point) bool { return true })
}

// WaitForNamed returns the accepted points of one measurement as soon as there
// are n, and fails the test after 30 seconds.
func (o *Output) WaitForNamed(tb testing.TB, name string, n int) []Point {
	tb.Helper()
	return o.waitFor(tb, n, name, func(p Point) bool { return p.Name == name })
}

func (o *Output) waitFor(tb testing.TB, n int, what string, wanted func(Point) bool) []Point {
	tb.Helper()
	var points []Point
	o.notes.wait(tb,
		func() bool { points = o.points(wanted); return len(points) >= n },
		func() string {
			return fmt.Sprintf("the output took %d of %d %s; it took %d batches in %d attempts", len(points), n, what, len(o.batches), len(o.attempts))
		})
	return points
}

// WaitForAttempts returns as soon as Write was called n times, and fails the
// test after 30 seconds.
func (o *Output) WaitForAttempts(tb testing.TB, n int) {
	tb.Helper()
	o.notes.wait(tb,
		func() bool { return len(o.attempts) >= n },
		func() string { return fmt.Sprintf("Write was called %d of %d times", len(o.attempts), n) })
}

// Forget deletes the recorded attempts, batches and points.
func (o *Output) Forget() {
	o.notes.change(func() { o.attempts, o.batches = nil, nil })
}

// Violations returns the calls that [agent.Output] does not allow, such as a
// Write after Close or a batch that was not normalised.
func (o *Output) Violations() []string {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return slices.Clone(o.violations)
}

// faults returns why a batch is not normalised.
func faults(b agent.Batch) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if b.Namespace == "" {
		fault("a batch has no namespace")
	}
	if len(b.Metrics) == 0 {
		fault("a batch for %s is empty", b.Namespace)
	}
	for _, m := range b.Metrics {
		// Checked without its tags: those that the agent adds do not count for
		// a metric's size.
		if err := (agent.Metric{Name: m.Name, Value: m.Value}).Validate(); err != nil {
			fault("metric %q cannot be sent: %v", m.Name, err)
		}
		switch m.Value.(type) {
		case float64, bool, string:
		default:
			fault("metric %s has a value of type %T", m.Name, m.Value)
		}
		if m.Tags["host"] == "" {
			fault("metric %s has no host tag", m.Name)
		}
		if m.Timestamp <= 0 || m.Timestamp >= 1e10 { // a bubble's time begins in the year 2000
			fault("metric %s has the timestamp %d, which is not in seconds", m.Name, m.Timestamp)
		}
	}
	return faults
}

func cloneBatch(b agent.Batch) agent.Batch {
	b.Metrics = slices.Clone(b.Metrics)
	for i := range b.Metrics {
		b.Metrics[i].Tags = maps.Clone(b.Metrics[i].Tags)
	}
	return b
}
