// Package namespacefile reads TOML files that say what to collect for a namespace.
//
//	registry file     [[namespace]] several times   registry.go ──┐
//	                                                              ├──► items.go: intervals,
//	fleet repository  a file for each namespace     fleet.go ─────┘    plugins, ports, processes
//
// Faults name the file, the line and the key.
package namespacefile

import (
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/topic"
)

// ParseRegistry parses the content of the file called name. Faults of the file itself
// are one [*configfile.Error]. An item with an invalid value is ignored, and
// its assignment gets a problem with file and line.
func ParseRegistry(name string, content []byte, topicPrefix string) ([]agent.Assignment, error) {
	f, err := configfile.Parse(name, content)
	if err != nil {
		return nil, err
	}
	var assignments []agent.Assignment
	first := make(map[string]string) // position of each namespace
	f.Tables("namespace", func(t *configfile.File) {
		var namespace string
		t.String("name", &namespace)
		switch err := topic.CheckNamespace(topicPrefix, namespace); {
		case namespace == "" && !t.Has("name"):
			t.Fail("name", "missing; write the namespace's name")
		case err != nil:
			t.Fail("name", err.Error())
		case first[namespace] != "":
			t.Fail("name", fmt.Sprintf("%q is also the name of the namespace at %s; write both as one", namespace, first[namespace]))
		default:
			first[namespace] = t.Where("name").String()
		}
		assignments = append(assignments, readNamespace(t, namespace))
	})
	if !f.Has("namespace") {
		// An empty file is a fault: an editor may empty the file before it
		// writes, and that must not stop all collectors.
		f.Fail("namespace", "missing; write [[namespace]] at least once, with a name below it")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return assignments, nil
}
