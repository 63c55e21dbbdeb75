package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// verdict is what is thought of one side of a plugin.
type verdict struct {
	about   string
	faults  []string // none: it is good
	skipped bool     // an earlier fault left nothing to judge
}

// judge judges a plugin by its runs.
func judge(t trial) []verdict {
	start := verdict{about: "plugin is there and can be started"}
	end := verdict{about: fmt.Sprintf("it exits with 0 within %v", t.limit)}
	left := verdict{about: "it leaves no processes behind"}
	for _, run := range t.runs {
		var failed *agent.RunError
		switch {
		case errors.As(run.err, &failed) && failed.Result == agent.RunStart:
			start.faults = append(start.faults, run.err.Error())
			end.skipped, left.skipped = true, true
		case run.err != nil:
			end.faults = append(end.faults, run.err.Error())
		}
		if run.Leftover > 0 {
			left.faults = []string{fmt.Sprintf("still there when it had exited: %d; the agent ends them", run.Leftover)}
		}
	}
	return append([]verdict{start, end, left}, judgeOutput(t)...)
}

// series is a metric's name and tags.
type series struct{ name, tags string }

// judgeOutput judges what the plugin printed.
func judgeOutput(t trial) []verdict {
	list := verdict{about: "it prints a JSON list"}
	good := verdict{about: "each metric of it can be sent"}
	once := verdict{about: "each metric has a name and tags of its own"}
	times := verdict{about: "timestamps are Unix seconds of now, or 0"}
	steady := verdict{about: "tags are the same from run to run"}

	var outputs [][]agent.Metric
	for _, run := range t.runs {
		if run.err != nil {
			continue
		}
		metrics, bad, err := agent.DecodePluginOutput(run.Stdout)
		if err != nil {
			list.faults = append(list.faults, err.Error())
			break
		}
		outputs = append(outputs, metrics)
		if len(good.faults) == 0 {
			for _, fault := range bad {
				good.faults = append(good.faults, fault.Error())
			}
		}
	}
	if len(outputs) == 0 {
		good.skipped, once.skipped, times.skipped = true, true, true
		list.skipped = len(list.faults) == 0
	} else {
		once.faults = repeated(outputs[0])
		times.faults = wrongTimes(outputs[0], t.began)
	}
	if len(outputs) < tagRuns {
		steady.skipped = true
	} else {
		steady.faults = changingTags(outputs[0], outputs[1])
	}
	return []verdict{list, good, once, times, steady}
}

// repeated finds metrics of which InfluxDB would keep only the last.
func repeated(metrics []agent.Metric) (faults []string) {
	seen := make(map[series]int)
	for _, m := range metrics {
		s := series{m.Name, tagText(m.Tags)}
		seen[s]++
		if seen[s] == 2 {
			faults = append(faults, fmt.Sprintf("%s%s is there twice: only the last value is kept", s.name, s.tags))
		}
	}
	return faults
}

// clockSlack is how far a timestamp may be from now.
const clockSlack = time.Hour

func wrongTimes(metrics []agent.Metric, now time.Time) (faults []string) {
	for _, m := range metrics {
		switch off := time.Duration(m.Timestamp-now.Unix()) * time.Second; {
		case m.Timestamp == 0:
		case m.Timestamp < 1e9 || m.Timestamp >= 1e10:
			faults = append(faults, fmt.Sprintf("%s: %d is no time in seconds; the agent puts its own in its place", m.Name, m.Timestamp))
		case off.Abs() > clockSlack:
			faults = append(faults, fmt.Sprintf("%s: %s is far from now", m.Name, time.Unix(m.Timestamp, 0).UTC().Format(time.RFC3339)))
		}
	}
	return faults
}

// changingTags finds tags of which the second run has no value in common with
// the first: a process number, say, or a time. Each value is a series of its
// own in InfluxDB, for ever.
func changingTags(first, second []agent.Metric) (faults []string) {
	before, after := tagValues(first), tagValues(second)
	for _, tag := range slices.SortedFunc(maps.Keys(before), compareTags) {
		if len(after[tag]) == 0 {
			continue
		}
		common := false
		for value := range before[tag] {
			common = common || after[tag][value]
		}
		if !common {
			faults = append(faults, fmt.Sprintf("%s: every value of the tag %s is new in the second run; make it the value of a metric, or leave it out", tag.name, tag.tags))
		}
	}
	return faults
}

func compareTags(a, b series) int {
	return strings.Compare(a.name+"\x00"+a.tags, b.name+"\x00"+b.tags)
}

// tagValues returns the values of each tag of each name.
func tagValues(metrics []agent.Metric) map[series]map[string]bool {
	values := make(map[series]map[string]bool)
	for _, m := range metrics {
		for key, value := range m.Tags {
			tag := series{m.Name, key}
			if values[tag] == nil {
				values[tag] = make(map[string]bool)
			}
			values[tag][value] = true
		}
	}
	return values
}

// tagText writes tags as line protocol does.
func tagText(tags map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		fmt.Fprintf(&text, ",%s=%s", key, tags[key])
	}
	return text.String()
}
