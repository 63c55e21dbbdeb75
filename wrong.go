package agent

import (
	"fmt"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/schedule"
	"github.com/lodastack/agent/internal/terminal"
)

// Wrong returns a sentence for each thing that is wrong, at the time of the status.
func (s Status) Wrong() []string {
	now := s.Started.Add(seconds(s.Uptime))
	wrong := []string{}
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, line := range lines(s.Registry.Error) {
		say("registry: %s", line)
	}
	if !s.Registry.InForce {
		say("registry: nothing is collected yet, because no namespaces are known")
	} else if len(s.Namespaces) == 0 {
		say("registry: nothing is collected, because this host (%s) is in no namespace", s.Hostname)
	}
	if s.Output.Error != "" {
		where := "in memory"
		if s.Output.Disk != nil {
			where = "on disk"
		}
		say("output: it takes no points, which wait %s: %s", where, strings.Join(lines(s.Output.Error), "; "))
	}
	for _, problem := range s.Output.Problems {
		say("output: %s", problem)
	}
	for _, d := range s.Output.Dropping {
		say("%s", droppingText(d, now))
	}
	if s.Statsd != nil {
		for _, problem := range s.Statsd.Problems {
			say("statsd: %s", problem)
		}
	}
	for _, collector := range s.Collectors {
		for _, line := range lines(collector.Error) {
			say("collector %s: %s", collector.Kind, line)
		}
		if collector.Running && schedule.Hangs(seconds(collector.Interval), now.Sub(collector.LastRun)) {
			say("collector %s: hangs since %s", collector.Kind, terminal.Age(now.Sub(collector.LastRun)))
		}
	}
	for _, p := range s.Plugins {
		if p.InstallError != "" {
			say("plugin %s %s: %s", p.Namespace, p.Repo, p.InstallError)
		}
		if p.Installed && p.LastRun != nil && p.LastRun.Result != RunOK {
			say("plugin %s %s: the last run failed (%s): %s%s", p.Namespace, p.Repo, p.LastRun.Result, p.LastRun.Error, lastWords(p.Stderr))
		}
	}
	for _, problem := range s.Registry.Problems {
		if s.Registry.Error == "" || !strings.Contains(s.Registry.Error, problem) { // else it is listed already
			say("registry: %s", problem)
		}
	}
	return wrong
}

// lines returns the lines of a joined error, or none for an empty text.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == '\n' })
}

// droppingText says which points are being dropped, why, and what to do.
func droppingText(d Dropping, now time.Time) string {
	text := fmt.Sprintf("namespace %s drops points (%s): %d in the last %s, the last one %s ago",
		d.Namespace, d.Reason, d.Points, terminal.Age(now.Sub(d.Since)), terminal.Age(now.Sub(d.Last)))
	if d.Error != "" {
		text += ": " + d.Error
	}
	if d.Advice != "" {
		text += "; " + d.Advice
	}
	return text
}

// lastWords returns the end of the standard error of a failed plugin.
func lastWords(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Sprintf("; it said: %.200s", last)
	}
	return ""
}

// seconds converts a duration of the status, which is in seconds.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
