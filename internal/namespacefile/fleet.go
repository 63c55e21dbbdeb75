package namespacefile

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/topic"
)

// Fleet is a file of a fleet repository: one namespace, and the hosts in it.
type Fleet struct {
	Assignment agent.Assignment
	// Hosts are globs of host names, with ! in front of those that are not in the
	// namespace. Empty: every host is.
	Hosts []string
}

// ParseFleet parses a file of a fleet repository: the keys of a [[namespace]], and hosts. Each
// fault of the file, of its items too, is in the error, with file and line.
func ParseFleet(name string, content []byte, topicPrefix string) (Fleet, error) {
	f, err := configfile.Parse(name, content)
	if err != nil {
		return Fleet{}, err
	}
	var ns Fleet
	var namespace string
	f.String("name", &namespace)
	if err := topic.CheckNamespace(topicPrefix, namespace); !f.Has("name") {
		f.Fail("name", "missing; write the namespace's name")
	} else if err != nil {
		f.Fail("name", err.Error())
	}
	f.Strings("hosts", &ns.Hosts)
	if f.Has("hosts") && len(ns.Hosts) == 0 {
		f.Fail("hosts", "is empty; name hosts, or leave the key out for every host")
	}
	for _, glob := range ns.Hosts {
		if err := checkHosts(glob); err != nil {
			f.Fail("hosts", err.Error())
		}
	}
	ns.Assignment = readNamespace(f, namespace)
	errs := []error{f.Err()}
	for _, problem := range ns.Assignment.Problems {
		errs = append(errs, errors.New(problem))
	}
	return ns, errors.Join(errs...)
}

// WhereName returns where the namespace's name stands in a good file, as FILE:LINE.
func WhereName(name string, content []byte) string {
	f, err := configfile.Parse(name, content)
	if err != nil {
		return name
	}
	return f.Where("name").String()
}

// checkHosts returns an error if a glob can match no host.
func checkHosts(glob string) error {
	pattern := strings.TrimPrefix(glob, "!")
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("%q is not a pattern of host names such as \"web-*\" or \"!web-9\"", glob)
	}
	return nil
}

// Has reports whether the host is in the namespace.
func (n Fleet) Has(hostname string) bool {
	in, only := false, false // only: some hosts are named
	for _, glob := range n.Hosts {
		pattern, excluded := strings.CutPrefix(glob, "!")
		matches, _ := path.Match(pattern, hostname) // the pattern was checked
		switch {
		case excluded && matches:
			return false
		case !excluded:
			in, only = in || matches, true
		}
	}
	return in || !only
}
