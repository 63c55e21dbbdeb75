package agent

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// take puts the answer in force, unless it is to be doubted.
func (u *updater) take(answer []Assignment, err error) error {
	var partial *PartialError
	if err != nil && !errors.As(err, &partial) && len(answer) == 0 {
		return nil
	}
	answer, problems := judge(answer)
	u.mu.Lock()
	if u.stopped {
		u.mu.Unlock()
		return ErrStopped
	}
	u.problems = problems
	next := u.combine(answer, err, partial)
	if doubt := u.doubt(next); doubt != nil {
		u.mu.Unlock()
		return doubt
	}
	u.known = next
	if err == nil {
		u.status.Answered = time.Now()
	}
	u.mu.Unlock()

	if err := u.state.save(assignmentsFile, next); err != nil {
		u.logger.Error("a restart while the registry is away will not know these assignments", "error", err)
	}
	u.apply(next)
	return nil
}

// combine returns the answer with what is known of the namespaces that it does
// not speak of. The caller holds mu.
func (u *updater) combine(answer []Assignment, err error, partial *PartialError) []Assignment {
	answered := make(map[string]bool, len(answer))
	for _, assignment := range answer {
		answered[assignment.Namespace] = true
	}
	next := slices.Clone(answer)
	for _, old := range u.known {
		missing := err != nil && partial == nil || partial != nil && partial.Namespaces[old.Namespace] != nil
		if missing && !answered[old.Namespace] {
			next = append(next, old)
		}
	}
	slices.SortFunc(next, func(a, b Assignment) int { return strings.Compare(a.Namespace, b.Namespace) })
	return next
}

// logAnswer logs what the registry answered, and how long that took.
func (u *updater) logAnswer(answer []Assignment, took time.Duration, err error) {
	plugins := 0
	for _, assignment := range answer {
		plugins += len(assignment.Plugins)
	}
	attrs := []any{event(EventRegistryAsked), "took", took, "namespaces", len(answer), "plugins", plugins}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	u.logger.Debug("the registry was asked", attrs...)
}
