package agenttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lodastack/agent"
)

// Registry is an [agent.Registry] and [agent.Reporter] that returns the
// assignments it was given, and records the hosts that ask. Its own knobs
// affect Assignments.
type Registry struct {
	Knobs
	// Reporting is the knobs of Report.
	Reporting Knobs

	notes       notes
	assignments []agent.Assignment // guarded by notes, as all below
	missing     map[string]error
	answer      func(context.Context, agent.Host) ([]agent.Assignment, error)
	asking      bool
	hosts       []agent.Host
	reports     []agent.Report
	violations  []string
}

var (
	_ agent.Registry = (*Registry)(nil)
	_ agent.Reporter = (*Registry)(nil)
)

// NewRegistry returns a Registry that answers every host with assignments.
func NewRegistry(assignments ...agent.Assignment) *Registry {
	return &Registry{assignments: assignments, missing: make(map[string]error)}
}

// Assign replaces the assignments.
func (r *Registry) Assign(assignments ...agent.Assignment) {
	r.notes.change(func() { r.assignments = assignments })
}

// FailNamespace removes a namespace from the answers, which then have an
// [*agent.PartialError] that contains err for it. A nil err brings the
// namespace back.
func (r *Registry) FailNamespace(namespace string, err error) {
	r.notes.change(func() {
		delete(r.missing, namespace)
		if err != nil {
			r.missing[namespace] = err
		}
	})
}

// Answer makes f answer, with garbage for example. A nil f makes the registry
// answer again.
func (r *Registry) Answer(f func(context.Context, agent.Host) ([]agent.Assignment, error)) {
	r.notes.change(func() { r.answer = f })
}

// Assignments implements [agent.Registry].
func (r *Registry) Assignments(ctx context.Context, host agent.Host) ([]agent.Assignment, error) {
	var answer func(context.Context, agent.Host) ([]agent.Assignment, error)
	r.notes.change(func() {
		r.hosts = append(r.hosts, host)
		if r.asking {
			r.violations = append(r.violations, "Assignments was called by two goroutines at a time")
		}
		if _, limited := ctx.Deadline(); !limited {
			r.violations = append(r.violations, "Assignments was called without a deadline")
		}
		r.asking = true
		answer = r.answer
	})
	defer r.notes.change(func() { r.asking = false })
	if err := r.obey(ctx); err != nil {
		return nil, err
	}
	if answer != nil {
		return answer(ctx, host)
	}
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	var assignments []agent.Assignment
	partial := &agent.PartialError{Namespaces: make(map[string]error)}
	for _, assignment := range r.assignments {
		if err := r.missing[assignment.Namespace]; err != nil {
			partial.Namespaces[assignment.Namespace] = err
			continue
		}
		assignments = append(assignments, cloneAssignment(assignment))
	}
	if len(partial.Namespaces) > 0 {
		return assignments, partial
	}
	return assignments, nil
}

// Report implements [agent.Reporter].
func (r *Registry) Report(ctx context.Context, report agent.Report) error {
	if err := r.Reporting.obey(ctx); err != nil {
		return err
	}
	r.notes.change(func() { r.reports = append(r.reports, report) })
	return nil
}

// Hosts returns the host of each call of Assignments, in order.
func (r *Registry) Hosts() []agent.Host {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.hosts)
}

// Reports returns the accepted reports, in order.
func (r *Registry) Reports() []agent.Report {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.reports)
}

// WaitFor returns as soon as Assignments was called n times, and fails the test
// after 30 seconds.
func (r *Registry) WaitFor(tb testing.TB, n int) {
	tb.Helper()
	r.notes.wait(tb,
		func() bool { return len(r.hosts) >= n },
		func() string { return fmt.Sprintf("the registry was asked %d of %d times", len(r.hosts), n) })
}

// WaitForReports returns the reports as soon as n were accepted, and fails the
// test after 30 seconds.
func (r *Registry) WaitForReports(tb testing.TB, n int) []agent.Report {
	tb.Helper()
	var reports []agent.Report
	r.notes.wait(tb,
		func() bool { reports = slices.Clone(r.reports); return len(reports) >= n },
		func() string { return fmt.Sprintf("the registry accepted %d of %d reports", len(reports), n) })
	return reports
}

// Violations returns the calls that [agent.Registry] does not allow.
func (r *Registry) Violations() []string {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.violations)
}

func cloneAssignment(a agent.Assignment) agent.Assignment {
	a.Intervals = maps.Clone(a.Intervals)
	a.Plugins = slices.Clone(a.Plugins)
	for i := range a.Plugins {
		a.Plugins[i].Args = slices.Clone(a.Plugins[i].Args)
	}
	a.Ports = slices.Clone(a.Ports)
	a.Processes = slices.Clone(a.Processes)
	a.Problems = slices.Clone(a.Problems)
	return a
}
