package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
)

// maxShown is how many faults of one kind, or metrics, are listed at most.
const maxShown = 20

// writeText writes the verdicts for people.
func writeText(w io.Writer, t trial, verdicts []verdict) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s, run as %s\n", terminal.Clean(t.subject()), t.user)
	for _, line := range conditions(t) {
		fmt.Fprintf(&text, "%s\n", terminal.Clean(line))
	}
	text.WriteByte('\n')
	for _, v := range verdicts {
		fmt.Fprintf(&text, "%-4s%s\n", map[outcome]string{passed: "ok", failed: "BAD", skipped: "-"}[v.outcome()], v.about)
		for _, fault := range shown(v.faults) {
			fmt.Fprintf(&text, "      %s\n", terminal.Clean(fault))
		}
	}
	run := t.runs[len(t.runs)-1]
	fmt.Fprintf(&text, "\n%s\n", cost(t, run))
	if run.outputErr == nil {
		metrics := run.output.Metrics
		fmt.Fprintf(&text, "\nMetrics that are sent, with the tag host: %d\n", len(metrics))
		for _, m := range metrics[:min(len(metrics), maxShown)] {
			fmt.Fprintf(&text, "  %s value=%v\n", terminal.Clean(t.name+"."+m.Name+tagText(m.Tags)), m.Value)
		}
		if len(metrics) > maxShown {
			fmt.Fprintf(&text, "  and %d more\n", len(metrics)-maxShown)
		}
	}
	if len(run.Stderr) > 0 {
		fmt.Fprintf(&text, "\nThe end of its standard error:\n")
		writeIndented(&text, run.Stderr)
	}
	writeFilesToKeep(&text, t.foreign)
	_, err := w.Write(text.Bytes())
	return err
}

// writeFilesToKeep shows what makes a foreign check a plugin.
func writeFilesToKeep(text *bytes.Buffer, foreign foreignCheck) {
	if foreign.kind == "" {
		return
	}
	text.WriteString("\nIt is a plugin with these two files in a git repository; plugin has to be executable:\n")
	for _, file := range foreign.files() {
		fmt.Fprintf(text, "\n%s:\n", file.name)
		writeIndented(text, file.content)
	}
}

func writeIndented(text *bytes.Buffer, content []byte) {
	for line := range bytes.Lines(content) {
		fmt.Fprintf(text, "  %s\n", terminal.Clean(string(bytes.TrimRight(line, "\n"))))
	}
}

// subject is what was tried, for people.
func (t trial) subject() string {
	if t.foreign.kind != "" {
		return strings.Join(t.foreign.command, " ")
	}
	return t.dir
}

// conditions says under which limits the plugin ran, and what an agent does differently.
func conditions(t trial) []string {
	var lines []string
	if t.sandbox.Limits != nil {
		status := agent.PluginStatus{PluginDetails: t.sandbox}
		status.User = "" // it is said already
		lines = append(lines, fmt.Sprintf("as the repository %s (--repo): %s", t.repo, sandboxText(status)))
	}
	return append(lines, t.differ...)
}

// cost describes the resources of a run.
func cost(t trial, run pluginRun) string {
	if run.Duration == 0 {
		return "it was not run"
	}
	memory := "unknown memory"
	if run.PeakMemory > 0 {
		memory = fmt.Sprintf("%.1f MiB of memory", float64(run.PeakMemory)/(1<<20))
	}
	return fmt.Sprintf("a run took %v, %v of CPU, %s, and wrote %d bytes to stdout and %d to stderr (sandbox: %s)",
		run.Duration.Round(time.Millisecond), run.CPU.Round(time.Millisecond), memory, run.StdoutSize, run.StderrSize, t.sandbox.Cell)
}

// shown returns the faults to list. If there are more, the last entry says how
// many.
func shown(faults []string) []string {
	if len(faults) <= maxShown {
		return faults
	}
	return append(faults[:maxShown:maxShown], fmt.Sprintf("and %d more", len(faults)-maxShown))
}
