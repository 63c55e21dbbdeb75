package gitregistry

import (
	"errors"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/namespacefile"
)

// maxFaults bounds the faults that are named.
const maxFaults = 100

// fleet is what a head says. It does not change.
type fleet struct{ namespaces []namespacefile.Fleet }

// judge parses all files of a head. The error names the faults, each with file and line.
func judge(head Head, topicPrefix string) (*fleet, error) {
	var faults []error
	judged := &fleet{}
	first := make(map[string]string) // where each name stands
	for _, file := range head.Files {
		name := dir + "/" + file.Name
		if file.Link {
			faults = append(faults, fmt.Errorf("%s is a symbolic link; write a file", name))
			continue
		}
		ns, err := namespacefile.ParseFleet(name, file.Content, topicPrefix)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		namespace := ns.Assignment.Namespace
		if at := first[namespace]; at != "" {
			faults = append(faults, fmt.Errorf("%s: name: %q is also the name of the namespace at %s; write both as one", ns.Where, namespace, at))
			continue
		}
		first[namespace] = ns.Where
		judged.namespaces = append(judged.namespaces, ns)
	}
	if len(head.Files) == 0 {
		faults = append(faults, fmt.Errorf("it has no file %s/*%s; write one for each namespace", dir, suffix))
	}
	if more := len(faults) - maxFaults; more > 0 {
		faults = append(faults[:maxFaults], fmt.Errorf("and faults in %d more files", more))
	}
	return judged, errors.Join(faults...)
}

// of returns the assignments of a host.
func (f *fleet) of(hostname string) []agent.Assignment {
	assignments := []agent.Assignment{}
	for _, ns := range f.namespaces {
		if ns.Has(hostname) {
			assignments = append(assignments, ns.Assignment)
		}
	}
	return assignments
}
