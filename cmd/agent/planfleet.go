package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
	"github.com/lodastack/agent/stock"
)

// fleetPlan is the command plan for a working tree of a fleet repository.
type fleetPlan struct {
	tree, from string // from may be empty: there is no tree to compare with
	hosts      []string
}

// hostPlan is what a host collects, or what changes there.
type hostPlan struct {
	Host      string             `json:"host,omitempty"` // empty: all hosts together
	Changes   []agent.PlanChange `json:"changes"`
	Unchanged int                `json:"unchanged"`
}

// print checks the trees and prints the plan of each host.
func (f fleetPlan) print(c *call, asJSON bool) error {
	fleet, err := stock.ReadFleet(f.tree)
	if err != nil {
		return refusedFleet(f.tree, err)
	}
	var before stock.Fleet
	if f.from != "" {
		if before, err = stock.ReadFleet(f.from); err != nil {
			return refusedFleet(f.from, err)
		}
	}
	plans, changed := f.plans(before, fleet)
	text := f.text(plans, changed)
	if asJSON {
		if text, err = json.MarshalIndent(map[string]any{"hosts": plans, "changed": changed}, "", "  "); err != nil {
			return err
		}
		text = append(text, '\n')
	}
	if _, err := c.stdout.Write(text); err != nil {
		return err
	}
	if f.from != "" && changed > 0 {
		return exitError{code: exitChanges}
	}
	return nil
}

func refusedFleet(tree string, err error) error {
	return fmt.Errorf("the fleet repository in %s is refused:\n%w", tree, err)
}

// plans returns a plan for each host, or one for all namespaces if no host is named, and on
// how many something changes.
func (f fleetPlan) plans(before, fleet stock.Fleet) (plans []hostPlan, changed int) {
	compare := func(host string, is func(stock.Fleet) []agent.Assignment) {
		var was []agent.Assignment
		if f.from != "" {
			was = is(before)
		}
		plan := hostPlan{Host: host}
		if plan.Changes, plan.Unchanged = agent.CompareAssignments(was, is(fleet)); len(plan.Changes) > 0 {
			changed++
		}
		plans = append(plans, plan)
	}
	for _, host := range f.hosts {
		compare(host, func(fleet stock.Fleet) []agent.Assignment { return fleet.Assignments(host) })
	}
	if len(f.hosts) == 0 {
		compare("", stock.Fleet.Namespaces)
	}
	return plans, changed
}

// text formats the plans for people.
func (f fleetPlan) text(plans []hostPlan, changed int) []byte {
	var text bytes.Buffer
	for _, p := range plans {
		host := terminal.Clean(p.Host)
		if host == "" {
			host = "All namespaces"
		}
		fmt.Fprintf(&text, "%s:%s\n", host, f.summary(p))
		for _, change := range p.Changes {
			mark := planMarks[change.Action] + " "
			if f.from == "" {
				mark = ""
			}
			fmt.Fprintf(&text, "  %s%s\n", mark, changeText(change))
		}
	}
	if f.from != "" && len(f.hosts) > 0 {
		fmt.Fprintf(&text, "Something changes on %d of %d hosts.\n", changed, len(f.hosts))
	}
	return text.Bytes()
}

// summary returns what stands behind the name of a host that has nothing to list.
func (f fleetPlan) summary(p hostPlan) string {
	switch {
	case len(p.Changes) > 0:
		return ""
	case f.from != "":
		return fmt.Sprintf(" nothing changes (%d unchanged)", p.Unchanged)
	}
	return " it is in no namespace"
}
