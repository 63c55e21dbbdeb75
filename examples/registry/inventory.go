package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/lodastack/agent"
)

// inventory is a registry that goes by the host's name. It is a JSON file that
// one writes for the whole fleet:
//
//	[{"hosts": "web-*", "namespace": "shop.web", "seconds": {"CPU": 5}}]
type inventory string

// rule gives the hosts whose names match a pattern a namespace.
type rule struct {
	Hosts     string         `json:"hosts"` // a pattern as of path.Match
	Namespace string         `json:"namespace"`
	Seconds   map[string]int `json:"seconds"` // intervals by kind
}

var _ agent.Registry = inventory("")

// Assignments reads the file anew each time. After an error the agent goes on
// with what it knew. A rule that makes no sense for one namespace takes nothing
// from the others: it is named beside the answer.
func (i inventory) Assignments(_ context.Context, host agent.Host) ([]agent.Assignment, error) {
	content, err := os.ReadFile(string(i))
	if err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	var rules []rule
	if err := json.Unmarshal(content, &rules); err != nil {
		return nil, fmt.Errorf("read the inventory %s: %w", string(i), err)
	}
	var assignments []agent.Assignment
	missing := &agent.PartialError{Namespaces: make(map[string]error)}
	for _, r := range rules {
		matches, err := path.Match(r.Hosts, host.Hostname)
		switch {
		case err != nil:
			missing.Namespaces[r.Namespace] = fmt.Errorf("the pattern %q: %w", r.Hosts, err)
		case matches:
			assignments = append(assignments, r.assignment())
		}
	}
	if len(missing.Namespaces) > 0 {
		return assignments, missing
	}
	return assignments, nil
}

func (r rule) assignment() agent.Assignment {
	a := agent.Assignment{Namespace: r.Namespace, Intervals: make(map[string]time.Duration)}
	for kind, seconds := range r.Seconds {
		if seconds < 1 {
			a.Problems = append(a.Problems, fmt.Sprintf("the interval of %s is %d seconds; it is measured at its default", kind, seconds))
			continue
		}
		a.Intervals[kind] = time.Duration(seconds) * time.Second
	}
	return a
}
