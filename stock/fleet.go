package stock

import (
	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitregistry"
)

// Fleet is what a fleet repository says to all hosts. It does not change.
type Fleet struct{ fleet *gitregistry.Fleet }

// ReadFleet reads a working tree of a fleet repository. The error names each fault for which
// a host would refuse it as its registry, with file and line.
func ReadFleet(dir string) (Fleet, error) {
	fleet, err := gitregistry.ReadTree(dir)
	return Fleet{fleet}, err
}

// Assignments returns what a host of this name has to collect.
func (f Fleet) Assignments(hostname string) []agent.Assignment { return f.fleet.Assignments(hostname) }

// Namespaces returns what is to be collected for each namespace, whichever hosts it has.
func (f Fleet) Namespaces() []agent.Assignment { return f.fleet.All() }
