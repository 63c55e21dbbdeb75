package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
)

// statusText formats the status for people, with problems first.
func statusText(s agent.Status) []byte {
	now := s.Time()
	var text bytes.Buffer
	fmt.Fprintf(&text, "agent %s (commit %.12s) on %s, up for %s\n\n", s.Build.Version, s.Build.Commit, s.Hostname, terminal.Age(now.Sub(s.Started)))
	if wrong := s.Wrong(); len(wrong) > 0 {
		fmt.Fprintln(&text, "WRONG")
		for _, sentence := range wrong {
			fmt.Fprintf(&text, "  %s\n", terminal.Clean(sentence))
		}
	} else {
		fmt.Fprintln(&text, "Nothing is wrong.")
	}
	if len(s.Warnings) > 0 {
		fmt.Fprintln(&text, "\nWARNINGS")
		for _, sentence := range s.Warnings {
			fmt.Fprintf(&text, "  %s\n", terminal.Clean(sentence))
		}
	}

	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\nregistry\t%s\n", registryText(s.Registry, now))
	writeHead(table, s.Registry.RegistryDetails, now)
	for _, m := range s.Registry.Members {
		fmt.Fprintf(table, "\t%s %s; its namespaces: %d\n", terminal.Clean(m.Name), memberText(m, now), m.Namespaces)
		writeHead(table, m.RegistryDetails, now)
	}
	fmt.Fprintf(table, "namespaces\t%s\n", cmp.Or(terminal.Clean(strings.Join(s.Namespaces, " ")), "none"))
	fmt.Fprintf(table, "points\t%s\n", accountText(s.Output.Total))
	for _, server := range s.Output.Servers {
		fmt.Fprintf(table, "nsqd\t%s is %s\n", server.Address, server.State)
	}
	if disk := s.Output.Disk; disk != nil && disk.Points > 0 {
		fmt.Fprintf(table, "on disk\t%d points in %.1f MiB, the oldest from %s ago\n",
			disk.Points, float64(disk.Bytes)/(1<<20), terminal.Age(now.Sub(disk.Oldest)))
	}
	if d := s.Statsd; d != nil {
		fmt.Fprintf(table, "statsd\t%s: %d packets, %d series, %d points to namespace %s\n",
			terminal.Clean(d.Address), d.Packets, d.Series, d.Points, cmp.Or(terminal.Clean(d.Namespace), "none yet"))
	}
	if control := controlText(s.Control); control != "" {
		fmt.Fprintf(table, "control\t%s\n", control)
	}
	table.Flush()
	writeAccounts(&text, s)
	writeCollectors(&text, s.Collectors, now)
	writePlugins(&text, s.Plugins, now)
	return text.Bytes()
}

func registryText(r agent.RegistryStatus, now time.Time) string {
	switch {
	case !r.Doubted.IsZero():
		return fmt.Sprintf("gave an answer %s ago that is not believed yet; its earlier answer is in force", terminal.Age(now.Sub(r.Doubted)))
	case r.InForce && slices.ContainsFunc(r.Members, func(m agent.RegistryMember) bool { return m.Error != "" }):
		return "one of several fails; what it assigned before is in force"
	case r.Answered.IsZero() && r.InForce:
		return "has not answered since the start; its earlier answer is in force"
	case r.Answered.IsZero():
		return "has not answered yet"
	}
	return fmt.Sprintf("answered %s ago", terminal.Age(now.Sub(r.Answered)))
}

// writeHead says which commit of a fleet repository is in force.
func writeHead(w io.Writer, d agent.RegistryDetails, now time.Time) {
	if d.Commit == "" {
		return
	}
	signed := ""
	if d.Signer != "" {
		signed = ", signed by " + d.Signer
	}
	fmt.Fprintf(w, "\tcommit %.12s of %s ago%s\n", terminal.Clean(d.Commit), terminal.Age(now.Sub(d.Date)), terminal.Clean(signed))
}

// memberText says what one of several registries has answered.
func memberText(m agent.RegistryMember, now time.Time) string {
	switch {
	case m.Error == "" && m.Asked.IsZero():
		return "has not been asked yet"
	case m.Error == "":
		return fmt.Sprintf("answered %s ago", terminal.Age(now.Sub(m.Answered)))
	case m.Answered.IsZero():
		return "fails, and has not answered since the start"
	}
	return fmt.Sprintf("fails; it answered %s ago", terminal.Age(now.Sub(m.Answered)))
}

// controlText says who may control the agent, or nothing if the agent does not say.
func controlText(c agent.ControlStatus) string {
	var text string
	switch c.Local {
	case "":
		return ""
	case "token":
		text = "needs the token or a certificate"
	case "socket":
		text = "is allowed to callers over the unix socket"
	default:
		text = "is allowed to callers on this host"
	}
	switch {
	case len(c.PluginUsers)+len(c.PluginUserRanges) > 0:
		text += fmt.Sprintf(", never for plugins (uid %s)", uidsText(c))
	case c.Local != "token":
		text += ", also to plugins, which run as the agent's own user; api.localcontrol = \"token\" shuts them out"
	}
	if !c.Calls {
		text += "; plugins do not run on demand"
	}
	return text
}

// uidsText names the users that plugins run as.
func uidsText(c agent.ControlStatus) string {
	var texts []string
	for _, uid := range c.PluginUsers {
		texts = append(texts, strconv.Itoa(uid))
	}
	for _, r := range c.PluginUserRanges {
		texts = append(texts, fmt.Sprintf("%d to %d", r.First, r.Last))
	}
	return strings.Join(texts, ", ")
}

func accountText(a agent.Account) string {
	dropped := int64(0)
	for _, points := range a.Dropped {
		dropped += points
	}
	return fmt.Sprintf("%d accepted = %d delivered + %d waiting + %d dropped", a.Accepted, a.Delivered, a.Waiting, dropped)
}

// lostText says what was lost and why. It is not a present problem: the
// accounts are kept over restarts, so old losses stay in them.
func lostText(dropped map[string]int64) string {
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		if points := dropped[reason]; points > 0 {
			reasons = append(reasons, fmt.Sprintf("%d %s", points, reason))
		}
	}
	return strings.Join(reasons, ", ")
}

// writeAccounts lists the namespaces whose points wait or were lost.
func writeAccounts(text *bytes.Buffer, s agent.Status) {
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	for _, namespace := range slices.Sorted(maps.Keys(s.Accounts)) {
		if a := s.Accounts[namespace]; a.Waiting > 0 || len(a.Dropped) > 0 {
			fmt.Fprintf(table, "  %s\t%s\n", terminal.Clean(namespace), accountText(a))
		}
	}
	table.Flush()
	if lost := lostText(s.Output.Total.Dropped); lost != "" {
		fmt.Fprintf(text, "  lost since the accounts began: %s\n", lost)
	}
}

func writeCollectors(text *bytes.Buffer, collectors []agent.CollectorStatus, now time.Time) {
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\nCOLLECTOR\tEVERY\tLAST RUN\tTOOK\tPOINTS\n")
	some := false
	for _, c := range collectors {
		if c.Runs == 0 {
			continue
		}
		some = true
		fmt.Fprintf(table, "%s\t%s\t%s ago\t%s\t%d\n", c.Kind, terminal.Age(terminal.Seconds(c.Interval)), terminal.Age(now.Sub(c.LastRun)), terminal.Seconds(c.Duration).Round(time.Microsecond), c.Points)
	}
	if some {
		table.Flush()
	}
}
