package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
)

// reportWriter writes the report about a plugin.
type reportWriter func(w io.Writer, t trial, verdicts []verdict) error

// outcome of a check, in a word.
type outcome string

const (
	passed  outcome = "ok"
	failed  outcome = "bad"
	skipped outcome = "skipped"
)

func (v verdict) outcome() outcome {
	switch {
	case len(v.faults) > 0:
		return failed
	case v.skipped:
		return skipped
	}
	return passed
}

// writeTAP writes the verdicts in the Test Anything Protocol, version 13
// (https://testanything.org/tap-version-13-specification.html).
func writeTAP(w io.Writer, t trial, verdicts []verdict) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "TAP version 13\n1..%d\n", len(verdicts))
	for i, v := range verdicts {
		switch v.outcome() {
		case failed:
			fmt.Fprintf(&text, "not ok %d - %s\n", i+1, v.about)
		case skipped:
			fmt.Fprintf(&text, "ok %d - %s # SKIP\n", i+1, v.about)
		default:
			fmt.Fprintf(&text, "ok %d - %s\n", i+1, v.about)
		}
		for _, fault := range shown(v.faults) {
			fmt.Fprintf(&text, "# %s\n", terminal.Clean(fault))
		}
	}
	for _, line := range conditions(t) {
		fmt.Fprintf(&text, "# %s\n", terminal.Clean(line))
	}
	fmt.Fprintf(&text, "# %s\n", cost(t, t.runs[len(t.runs)-1]))
	_, err := w.Write(text.Bytes())
	return err
}

// junitSuite is what CI servers read as JUnit XML.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"` // seconds
	Cases    []junitCase `xml:"testcase"`
	Output   string      `xml:"system-out"`
	Errors   string      `xml:"system-err,omitempty"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *struct{}     `xml:"skipped"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes the verdicts as JUnit XML.
func writeJUnit(w io.Writer, t trial, verdicts []verdict) error {
	run := t.runs[len(t.runs)-1]
	suite := junitSuite{Name: "agent plugin test " + t.repo, Tests: len(verdicts), Time: fmt.Sprintf("%.3f", run.Duration.Seconds()),
		Output: strings.Join(append(conditions(t), cost(t, run)), "\n"), Errors: string(run.Stderr)}
	for _, v := range verdicts {
		c := junitCase{Class: t.repo, Name: v.about}
		switch v.outcome() {
		case failed:
			suite.Failures++
			c.Failure = &junitFailure{Message: terminal.Clean(v.faults[0]), Text: strings.Join(shown(v.faults), "\n")}
		case skipped:
			suite.Skipped++
			c.Skipped = new(struct{})
		}
		suite.Cases = append(suite.Cases, c)
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

// pluginReport is the JSON document about a plugin.
type pluginReport struct {
	Repo    string         `json:"repo"`
	Good    bool           `json:"good"`
	Checks  []pluginCheck  `json:"checks"`
	Metrics []agent.Metric `json:"metrics"` // of the last run, which are sent as PLUGIN.NAME.…
	Seconds float64        `json:"seconds"` // that the last run took, as all below
	CPU     float64        `json:"cpu_seconds"`
	Memory  int64          `json:"memory_bytes,omitempty"` // 0: not known
	Stderr  string         `json:"stderr,omitempty"`
	// Files make a check for another agent a plugin.
	Files map[string]string `json:"files,omitempty"`
}

type pluginCheck struct {
	About  string   `json:"about"`
	Result outcome  `json:"result"`
	Faults []string `json:"faults,omitempty"`
}

// writeJSON writes the verdicts for scripts.
func writeJSON(w io.Writer, t trial, verdicts []verdict) error {
	run := t.runs[len(t.runs)-1]
	report := pluginReport{Repo: t.repo, Good: true, Metrics: []agent.Metric{}, Seconds: run.Duration.Seconds(), CPU: run.CPU.Seconds(),
		Memory: run.PeakMemory, Stderr: string(run.Stderr)}
	if run.outputErr == nil {
		report.Metrics = append(report.Metrics, run.output.Metrics...)
	}
	for _, v := range verdicts {
		report.Good = report.Good && v.outcome() != failed
		report.Checks = append(report.Checks, pluginCheck{About: v.about, Result: v.outcome(), Faults: shown(v.faults)})
	}
	if t.foreign.kind != "" {
		report.Files = make(map[string]string)
		for _, file := range t.foreign.files() {
			report.Files[file.name] = string(file.content)
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}
