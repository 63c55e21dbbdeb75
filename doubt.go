package agent

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// confirmAfter is how far apart two answers of the registry must be for the
// second to confirm the first.
const confirmAfter = time.Minute

// doubted is an answer that would remove so much that the registry may be broken, or was
// emptied by mistake.
type doubted struct {
	answer  []Assignment
	since   time.Time
	reason  *shrunkError
	changes []PlanChange // what it changes once it is believed
}

// shrunkError means that an answer is not believed yet.
type shrunkError struct {
	registry      string // one of several; empty: the only one, or all of them together
	before, after int
}

func (e *shrunkError) Error() string {
	return fmt.Sprintf("%s would remove more than half of what runs here (%d namespaces, plugins, ports and processes, %d afterwards): "+
		"the agent believes that when the registry says it again, a minute from now or later", cmp.Or(e.registry, "the registry"), e.before, e.after)
}

// doubt returns an error if the answer takes away more than half of what is known
// and no answer at least confirmAfter ago, with no other in between, said the
// same. The caller holds mu.
func (u *updater) doubt(c considered) error {
	if c.shrunk == nil {
		u.doubted = nil
		return nil
	}
	if u.doubted == nil || !reflect.DeepEqual(u.doubted.answer, c.next) {
		changes, _ := CompareAssignments(u.known, c.next)
		u.doubted = &doubted{answer: c.next, since: time.Now(), reason: c.shrunk, changes: changes[:min(len(changes), maxProblems)]}
	}
	if time.Since(u.doubted.since) < confirmAfter {
		return u.doubted.reason
	}
	u.doubted = nil
	return nil
}

// checkShrunk returns an error if next removes more than half of what is known, or more than
// half of what one of several registries has assigned. A namespace that passes from one
// registry to another is not removed. What a registry has assigned that is not asked any more
// does not count: whoever took it out of the config wants it to go.
func checkShrunk(known, next []Assignment, asked registryPart) *shrunkError {
	known = slices.DeleteFunc(slices.Clone(known), func(a Assignment) bool { return asked.without(a.Registry) })
	if before, after := items(known), items(next); after*2 < before {
		return &shrunkError{"", before, after}
	}
	owner := make(map[string]string, len(known))
	before, after := make(map[string]int), make(map[string]int)
	for _, a := range known {
		owner[a.Namespace] = a.Registry
		before[a.Registry] += items([]Assignment{a})
	}
	for _, a := range next {
		from, had := owner[a.Namespace]
		if !had {
			from = a.Registry
		}
		after[from] += items([]Assignment{a})
	}
	for _, registry := range slices.Sorted(maps.Keys(before)) {
		if after[registry]*2 < before[registry] {
			return &shrunkError{registry, before[registry], after[registry]}
		}
	}
	return nil
}

// items counts what is assigned.
func items(assignments []Assignment) (count int) {
	for _, assignment := range assignments {
		count += 1 + len(assignment.Plugins) + len(assignment.Ports) + len(assignment.Processes)
	}
	return count
}
