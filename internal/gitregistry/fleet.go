package gitregistry

import (
	"errors"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/namespacefile"
)

// maxFaults bounds the faults that are named.
const maxFaults = 100

// Fleet is what a head says. It does not change.
type Fleet struct {
	head       agent.RegistryDetails
	namespaces []parsed
}

// parsed is a file of a head.
type parsed struct {
	key string // name and object: a file with the same key says the same
	namespacefile.Fleet
}

// parseHead parses the files of a head, but those that the last one had, too. last may be nil.
// The error names the faults, each with file and line.
func parseHead(head Head, topicPrefix string, last *Fleet) (*Fleet, error) {
	var faults []error
	fleet := &Fleet{head: agent.RegistryDetails{Commit: head.Commit, Date: head.Date, Signer: head.Signer}}
	had := last.files()
	first := make(map[string]int) // index in the head, by namespace
	for i, file := range head.Files {
		if file.Instead != "" {
			faults = append(faults, fmt.Errorf("%s is a %s, which is not read; write files into %s itself", file.path(), file.Instead, dir))
			continue
		}
		key := file.Name + " " + file.Object
		ns, known := had[key]
		if !known {
			var err error
			if ns, err = namespacefile.ParseFleet(file.path(), file.Content, topicPrefix); err != nil {
				faults = append(faults, err)
				continue
			}
		}
		namespace := ns.Assignment.Namespace
		if other, taken := first[namespace]; taken {
			faults = append(faults, fmt.Errorf("%s: name: %q is also the name of the namespace at %s; write both as one", file.where(), namespace, head.Files[other].where()))
			continue
		}
		first[namespace] = i
		fleet.namespaces = append(fleet.namespaces, parsed{key, ns})
	}
	if len(head.Files) == 0 {
		faults = append(faults, fmt.Errorf("it has no file %s/*%s; write one for each namespace", dir, suffix))
	}
	if more := len(faults) - maxFaults; more > 0 {
		faults = append(faults[:maxFaults], fmt.Errorf("and faults in %d more files", more))
	}
	return fleet, errors.Join(faults...)
}

func (f File) path() string { return dir + "/" + f.Name }

// where returns where the name of its namespace stands.
func (f File) where() string { return namespacefile.WhereName(f.path(), f.Content) }

// All returns the assignments of all hosts together.
func (f *Fleet) All() []agent.Assignment {
	assignments := make([]agent.Assignment, len(f.namespaces))
	for i, ns := range f.namespaces {
		assignments[i] = ns.Assignment
	}
	return assignments
}

// files returns the files by their keys.
func (f *Fleet) files() map[string]namespacefile.Fleet {
	if f == nil {
		return nil
	}
	files := make(map[string]namespacefile.Fleet, len(f.namespaces))
	for _, ns := range f.namespaces {
		files[ns.key] = ns.Fleet
	}
	return files
}

// Assignments returns those of a host.
func (f *Fleet) Assignments(hostname string) []agent.Assignment {
	assignments := []agent.Assignment{}
	for _, ns := range f.namespaces {
		if ns.Has(hostname) {
			assignments = append(assignments, ns.Assignment)
		}
	}
	return assignments
}
