package agent

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/event"
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
		if missing && !answered[old.Namespace] && len(next) < maxNamespaces {
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
	attrs := []any{event.Attr(event.RegistryAsked), "took", took, "namespaces", len(answer), "plugins", plugins}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	u.logger.Debug("the registry was asked", attrs...)
}

// confirmAfter is how far apart two answers of the registry must be for the
// second to confirm the first.
const confirmAfter = time.Minute

// doubted is an answer that would take away so much that the registry may be
// broken, or emptied by mistake.
type doubted struct {
	answer []Assignment
	since  time.Time
	reason *shrunkError
}

// shrunkError says that an answer is not believed yet.
type shrunkError struct{ before, after int }

func (e *shrunkError) Error() string {
	return fmt.Sprintf("the registry would take away more than half of what runs here (%d namespaces, plugins, ports and processes, %d afterwards): "+
		"that is believed when it says so again, a minute from now or later", e.before, e.after)
}

// doubt returns an error where next takes away more than half of what is known
// and no answer at least confirmAfter ago, with no other in between, said the
// same. The caller holds mu.
func (u *updater) doubt(next []Assignment) error {
	before, after := items(u.known), items(next)
	if after*2 >= before {
		u.doubted = nil
		return nil
	}
	if u.doubted == nil || !reflect.DeepEqual(u.doubted.answer, next) {
		u.doubted = &doubted{answer: next, since: time.Now(), reason: &shrunkError{before, after}}
	}
	if time.Since(u.doubted.since) < confirmAfter {
		return u.doubted.reason
	}
	u.doubted = nil
	return nil
}

// items counts what is assigned.
func items(assignments []Assignment) (count int) {
	for _, assignment := range assignments {
		count += 1 + len(assignment.Plugins) + len(assignment.Ports) + len(assignment.Processes)
	}
	return count
}
