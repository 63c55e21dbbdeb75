package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
)

func writePlugins(text *bytes.Buffer, plugins []agent.PluginStatus, now time.Time) {
	if len(plugins) == 0 {
		return
	}
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	signed := slices.ContainsFunc(plugins, func(p agent.PluginStatus) bool { return p.Signer != "" })
	row := func(signer string, cells ...string) {
		if signed { // else the column says nothing
			cells = slices.Insert(cells, 4, signer)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	fmt.Fprintln(table)
	row("SIGNED BY", "PLUGIN", "NAMESPACE", "VERSION", "INSTALLED", "EVERY", "LAST RUN", "TOOK", "CPU", "MEMORY")
	for _, p := range plugins {
		every := "on demand"
		if p.Interval > 0 {
			every = terminal.Age(terminal.Seconds(p.Interval))
		}
		if !p.Enabled {
			every = "disabled"
		}
		last, took, cpu, memory := "-", "-", "-", "-"
		if p.Running {
			last = "running"
		}
		if run := p.LastRun; run != nil {
			last = fmt.Sprintf("%s, %s ago", run.Result, terminal.Age(now.Sub(run.Time)))
			took = terminal.Seconds(run.Duration).Round(time.Millisecond).String()
			cpu = terminal.Seconds(p.CPU).Round(time.Millisecond).String()
			if p.PeakMemory > 0 {
				memory = fmt.Sprintf("%.1f MiB", float64(p.PeakMemory)/(1<<20))
			}
		}
		row(cmp.Or(terminal.Clean(p.Signer), "-"), p.Repo, p.Namespace, versionText(p.PluginDetails), installedText(p.PluginDetails, now), every, last, took, cpu, memory)
	}
	table.Flush()
	for _, line := range sandboxLines(plugins) {
		fmt.Fprintln(text, line)
	}
}

// sandboxLines describe the sandboxes of runs: one line for each description, that of most
// plugins last.
func sandboxLines(plugins []agent.PluginStatus) (lines []string) {
	repos := map[string][]string{}
	most := ""
	for _, p := range plugins {
		if p.Limits == nil {
			continue
		}
		kept := sandboxText(p)
		repos[kept] = append(repos[kept], p.Repo)
		if len(repos[kept]) > len(repos[most]) {
			most = kept
		}
	}
	if most == "" {
		return nil
	}
	for kept, these := range repos {
		if kept != most {
			slices.Sort(these)
			lines = append(lines, strings.Join(slices.Compact(these), ", ")+" run "+kept)
		}
	}
	slices.Sort(lines)
	who := "each run "
	if len(lines) > 0 {
		who = "each other run "
	}
	return append(lines, who+most)
}

func sandboxText(p agent.PluginStatus) string {
	kept := fmt.Sprintf("in a sandbox (%s), with %s", p.Cell, limitsText(*p.Limits))
	if p.User != "" {
		kept = "as " + p.User + " " + kept
	}
	if p.StateLimit > 0 {
		kept += fmt.Sprintf(", at most %d MiB of state", p.StateLimit>>20)
	}
	if p.NoNetwork {
		kept += ", without network"
	}
	if len(p.Confined) > 0 {
		kept += ", confined in " + strings.Join(p.Confined, ", ")
	}
	if p.Unconfined != "" {
		return kept + ", not completely confined: " + p.Unconfined
	}
	return kept
}

// versionText names the installed version: the tag that was asked for, and the beginning of
// its commit.
func versionText(p agent.PluginDetails) string {
	switch {
	case p.Commit == "":
		return "-"
	case p.Version != "" && p.Version != p.Commit:
		return fmt.Sprintf("%s %.8s", terminal.Clean(p.Version), p.Commit)
	}
	return fmt.Sprintf("%.8s", p.Commit)
}

// installedText says when the version was installed, and who asked for it.
func installedText(p agent.PluginDetails, now time.Time) string {
	if p.Since.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%s ago by %s", terminal.Age(now.Sub(p.Since)), cmp.Or(terminal.Clean(p.By), "?"))
}

func limitsText(limits agent.PluginLimits) string {
	memory, processes, cpu := "no limit of memory", "no limit of processes", "no limit of CPU"
	if limits.Memory > 0 {
		memory = fmt.Sprintf("at most %d MiB of memory", limits.Memory>>20)
	}
	if limits.Processes > 0 {
		processes = fmt.Sprintf("at most %d processes", limits.Processes)
	}
	if limits.CPU > 0 {
		cpu = fmt.Sprintf("at most %g cores", limits.CPU)
	}
	return memory + ", " + processes + " and " + cpu
}
