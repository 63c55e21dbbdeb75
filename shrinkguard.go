package agent

import (
	"fmt"
	"reflect"
	"time"
)

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
