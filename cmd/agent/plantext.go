package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
)

// planMarks stand before additions, removals and changes.
var planMarks = map[agent.PlanAction]string{agent.PlanAdd: "+", agent.PlanRemove: "-", agent.PlanModify: "~"}

// planText formats a plan for people, what changes first.
func planText(p agent.Plan) []byte {
	var text bytes.Buffer
	text.WriteString(planSummary(p))
	for _, change := range p.Changes {
		fmt.Fprintf(&text, "  %s %s\n", planMarks[change.Action], changeText(change))
	}
	list := func(title string, lines ...string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&text, "\n%s:\n", title)
		for _, line := range lines {
			fmt.Fprintf(&text, "  %s\n", terminal.Clean(line))
		}
	}
	if p.Doubt != "" {
		list("The agent would not believe the first such answer", p.Doubt)
	}
	var refused []string
	for _, r := range p.Refused {
		version := r.Version
		if version != "" {
			version = " " + version
		}
		refused = append(refused, fmt.Sprintf("plugin %s %s%s: %s", r.Namespace, r.Repo, version, r.Reason))
	}
	list("Plugins that would not be installed or run", refused...)
	list("Parts of the answer that would be ignored", p.Problems...)
	list("Notes", p.Notes...)
	return text.Bytes()
}

func planSummary(p agent.Plan) string {
	if len(p.Changes) == 0 {
		return fmt.Sprintf("An update would change nothing on %s (%d unchanged).\n", terminal.Clean(p.Host), p.Unchanged)
	}
	count := make(map[agent.PlanAction]int)
	for _, change := range p.Changes {
		count[change.Action]++
	}
	return fmt.Sprintf("An update would change %s: %d to add, %d to remove, %d to modify, %d unchanged.\n",
		terminal.Clean(p.Host), count[agent.PlanAdd], count[agent.PlanRemove], count[agent.PlanModify], p.Unchanged)
}

func changeText(c agent.PlanChange) string {
	what := strings.TrimRight(fmt.Sprintf("%s %s %s", c.What, c.Namespace, c.Name), " ")
	var values []string
	for _, v := range c.Values {
		value := v.Before + v.After // one of them, if it is not a modification
		if c.Action == agent.PlanModify {
			value = orUnset(v.Name, v.Before) + " -> " + orUnset(v.Name, v.After)
		}
		if v.Name != c.What {
			value = v.Name + " " + value
		}
		values = append(values, value)
	}
	if len(values) > 0 {
		what += ": " + strings.Join(values, ", ")
	}
	return terminal.Clean(what)
}

// orUnset returns the value, or what holds if it is not set.
func orUnset(name, value string) string {
	switch {
	case value != "":
		return value
	case name == "version":
		return "newest release"
	case name == "interval":
		return "on demand"
	case name == "timeout":
		return "default"
	}
	return "none"
}
