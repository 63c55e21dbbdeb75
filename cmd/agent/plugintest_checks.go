package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// verdict is the result of one check of a plugin.
type verdict struct {
	about   string
	faults  []string // none: it passed
	skipped bool     // an earlier fault prevented the check
}

// checkPlugin checks a plugin by its runs.
func checkPlugin(t trial) []verdict {
	start := verdict{about: "plugin is there and can be started"}
	end := verdict{about: fmt.Sprintf("it exits with 0 within %v", t.limit)}
	if t.runs[0].Format == string(pluginoutput.Nagios) {
		end.about = fmt.Sprintf("it exits with 0 to 3 within %v", t.limit)
	}
	if t.daemon {
		end.about = fmt.Sprintf("it is a daemon and runs for %v", t.limit)
	}
	left := verdict{about: "it leaves no processes behind"}
	for _, run := range t.runs {
		switch runResult(run.err) {
		case agent.RunStart:
			start.faults = append([]string{run.err.Error()}, startAdvice(t, run.err)...)
			end.skipped, left.skipped = true, true
		case agent.RunPolicy:
			start.faults = []string{run.err.Error()}
			end.skipped, left.skipped = true, true
		case agent.RunOutput:
			end.skipped = true // reported as a fault of the output
		case agent.RunTimeout:
			end.faults = []string{run.err.Error(), "make it faster, or give it more time (here with --interval)"}
		case agent.RunOK:
		default:
			end.faults = []string{run.err.Error(), "so none of its output is sent"}
			if t.daemon {
				end.faults[1] = "the agent starts it again, after longer and longer pauses"
			}
		}
		if run.Leftover > 0 {
			left.faults = []string{fmt.Sprintf("%d left when it exited; the agent ends them, so wait for them or do not start them", run.Leftover)}
		}
	}
	verdicts := append([]verdict{start, end, left}, checkOutput(t)...)
	if t.runs[0].Format == string(pluginoutput.Nagios) {
		verdicts = append(verdicts, checkNagiosState(t))
	}
	return verdicts
}

// checkNagiosState finds a Nagios check that ends as UNKNOWN: nearly always it was called wrongly,
// or something is missing on this host.
func checkNagiosState(t trial) verdict {
	known := verdict{about: "the check knows the state: it is not UNKNOWN", skipped: true}
	for _, run := range t.runs {
		if run.err != nil || run.outputErr != nil {
			continue
		}
		known.skipped = false
		if run.output.Metrics[0].Value == float64(pluginoutput.NagiosUnknown) {
			said, _, _ := strings.Cut(strings.TrimSpace(string(run.Stdout)), "\n")
			known.faults = []string{fmt.Sprintf("it exits with 3, and says %.200q", said), "give it the arguments, programs and rights that it needs"}
		}
	}
	return known
}

// runResult returns the result of a run. It is empty if a failure is not the
// plugin's.
func runResult(err error) agent.RunResult {
	if err == nil {
		return agent.RunOK
	}
	var failed *agent.RunError
	if errors.As(err, &failed) {
		return failed.Result
	}
	return ""
}

// startAdvice says what to do about a plugin that cannot be started, if the
// error alone does not.
func startAdvice(t trial, err error) []string {
	path := filepath.Join(t.dir, "plugin")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return []string{fmt.Sprintf("try a copy where %s may read it: cp -R %s /tmp; the agent installs plugins in a place like that", t.user, t.dir)}
	case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(firstLine(path), "\r"):
		return []string{`its lines end as on Windows (CR LF): write it with Unix line ends, and put "plugin text eol=lf" into .gitattributes`}
	}
	return nil
}

// firstLine returns the first line of a file, or the beginning of a long one,
// or "".
func firstLine(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	beginning := make([]byte, 256)
	n, _ := file.Read(beginning) // on an error the line is empty
	line, _, _ := strings.Cut(string(beginning[:n]), "\n")
	return line
}
