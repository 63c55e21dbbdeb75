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
	now := s.Time()
	w := wrong{}
	w.registry(s)
	w.output(s.Output, now)
	if s.Statsd != nil {
		w.each("statsd: %s", s.Statsd.Problems)
	}
	for _, c := range s.Collectors {
		w.collector(c, now)
	}
	for _, p := range s.Plugins {
		w.plugin(p)
	}
	for _, problem := range s.Registry.Problems {
		if s.Registry.Error == "" || !strings.Contains(s.Registry.Error, problem) { // else it is listed already
			w.say("registry: %s", problem)
		}
	}
	return w
}

// Time returns when the status was read.
func (s Status) Time() time.Time { return s.Started.Add(terminal.Seconds(s.Uptime)) }

// wrong has a sentence for each thing that is wrong.
type wrong []string

func (w *wrong) say(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

// each says something of each text.
func (w *wrong) each(format string, texts []string) {
	for _, text := range texts {
		w.say(format, text)
	}
}

func (w *wrong) registry(s Status) {
	w.each("registry: %s", lines(s.Registry.Error))
	if !s.Registry.InForce {
		w.say("registry: nothing is collected yet, because no namespaces are known")
	} else if len(s.Namespaces) == 0 {
		w.say("registry: nothing is collected, because this host (%s) is in no namespace", s.Hostname)
	}
}

func (w *wrong) output(o OutputStatus, now time.Time) {
	if o.Error != "" {
		where := "in memory"
		if o.Disk != nil {
			where = "on disk"
		}
		w.say("output: it takes no points, which wait %s: %s", where, strings.Join(lines(o.Error), "; "))
	}
	w.each("output: %s", o.Problems)
	for _, d := range o.Dropping {
		w.say("%s", droppingText(d, now))
	}
}

func (w *wrong) collector(c CollectorStatus, now time.Time) {
	for _, line := range lines(c.Error) {
		w.say("collector %s: %s", c.Kind, line)
	}
	if age := now.Sub(c.LastRun); c.Running && schedule.Hangs(terminal.Seconds(c.Interval), age) {
		w.say("collector %s: hangs since %s", c.Kind, terminal.Age(age))
	}
}

func (w *wrong) plugin(p PluginStatus) {
	if p.InstallError != "" {
		w.say("plugin %s %s: %s", p.Namespace, p.Repo, p.InstallError)
	}
	if p.Installed && p.LastRun != nil && p.LastRun.Result != RunOK {
		w.say("plugin %s %s: the last run failed (%s): %s%s", p.Namespace, p.Repo, p.LastRun.Result, p.LastRun.Error, lastWords(p.Stderr))
	}
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
