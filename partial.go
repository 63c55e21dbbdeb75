package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PartialError is returned by [Registry.Assignments] with the assignments of the namespaces
// that it does not name.
type PartialError struct {
	// Namespaces has the reason for each namespace that could not be read.
	Namespaces map[string]error
	// Registries has each of several registries, in the order of precedence. The agent
	// keeps the former assignments of those that failed. Empty: there is only one.
	Registries []RegistryError
}

// RegistryError is the error of one of several registries.
type RegistryError struct {
	// Name of the registry, as in [Assignment.Registry].
	Name string
	// Err says why it could not be read. Nil: it answered, at least in part.
	Err error
}

// Error names every missing registry and namespace with its reason.
func (e *PartialError) Error() string {
	var reasons []string
	for _, r := range e.Registries {
		if r.Err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", r.Name, r.Err))
		}
	}
	for _, ns := range slices.Sorted(maps.Keys(e.Namespaces)) {
		reasons = append(reasons, fmt.Sprintf("namespace %s: %v", ns, e.Namespaces[ns]))
	}
	return strings.Join(reasons, "; ")
}

// keeps reports whether the old assignment of a namespace wins over the answer: has says whether
// the answer has the namespace, nextRegistry which registry assigns it there.
func (e *PartialError) keeps(old Assignment, nextRegistry string, has bool) bool {
	if e.Namespaces[old.Namespace] != nil {
		return !has
	}
	at := func(name string) int {
		return slices.IndexFunc(e.Registries, func(r RegistryError) bool { return r.Name == name })
	}
	from := at(old.Registry)
	switch {
	case len(e.Registries) == 0:
		return false
	case from < 0: // from before the registries were joined: one that failed may have it
		return !has && slices.ContainsFunc(e.Registries, func(r RegistryError) bool { return r.Err != nil })
	case e.Registries[from].Err == nil:
		return false
	}
	return !has || from < at(nextRegistry)
}

// noneAnswered reports whether there are several registries, of which none answered.
func (e *PartialError) noneAnswered() bool {
	return len(e.Registries) > 0 && !slices.ContainsFunc(e.Registries, func(r RegistryError) bool { return r.Err == nil })
}

// Unwrap returns the reasons, so that [errors.Is] and [errors.As] see them.
func (e *PartialError) Unwrap() []error {
	var reasons []error
	for _, r := range e.Registries {
		if r.Err != nil {
			reasons = append(reasons, r.Err)
		}
	}
	for _, err := range e.Namespaces {
		reasons = append(reasons, err)
	}
	return reasons
}

// combine returns the answer, with the known assignments of the namespaces that could not
// be read. err is the answer's error.
func combine(known, answer []Assignment, err error) []Assignment {
	var partial *PartialError
	errors.As(err, &partial)
	next := make(map[string]Assignment, len(answer))
	for _, assignment := range answer {
		next[assignment.Namespace] = assignment
	}
	for _, old := range known {
		now, has := next[old.Namespace]
		keep := err != nil && !has
		if partial != nil {
			keep = partial.keeps(old, now.Registry, has)
		}
		if keep && (has || len(next) < maxNamespaces) {
			next[old.Namespace] = old
		}
	}
	return slices.SortedFunc(maps.Values(next), func(a, b Assignment) int { return strings.Compare(a.Namespace, b.Namespace) })
}

// isEmptyAnswer reports whether an answer has nothing that could be put in force.
func isEmptyAnswer(answer []Assignment, err error) bool {
	var partial *PartialError
	if errors.As(err, &partial) {
		return len(answer) == 0 && partial.noneAnswered()
	}
	return err != nil && len(answer) == 0
}
