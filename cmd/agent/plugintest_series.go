package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// series is a metric's name and tags.
type series struct{ name, tags string }

// repeated finds metrics of which InfluxDB would keep only the last.
func repeated(metrics []agent.Metric) (faults []string) {
	seen := make(map[series]int)
	for _, m := range metrics {
		s := series{m.Name, tagText(m.Tags)}
		seen[s]++
		if seen[s] == 2 {
			faults = append(faults, fmt.Sprintf("%s%s occurs twice: both are sent, and InfluxDB keeps only the last", s.name, s.tags))
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
			faults = append(faults, fmt.Sprintf("%s: %d is not a time in seconds; the agent uses its own instead", m.Name, m.Timestamp))
		case off.Abs() > clockSlack:
			faults = append(faults, fmt.Sprintf("%s: %s is far from now", m.Name, time.Unix(m.Timestamp, 0).UTC().Format(time.RFC3339)))
		}
	}
	return faults
}

// timesInTags finds tags that contain the time of the run. changingTags does
// not find them if two runs are within the same second.
func timesInTags(metrics []agent.Metric, now time.Time) (faults []string) {
	seen := make(map[series]bool)
	for _, m := range metrics {
		for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
			seconds, err := strconv.ParseFloat(m.Tags[key], 64)
			off := time.Duration(seconds-float64(now.Unix())) * time.Second
			if tag := (series{m.Name, key}); err == nil && off.Abs() < clockSlack && !seen[tag] {
				seen[tag] = true
				faults = append(faults, fmt.Sprintf("%s: the tag %s is the time, so every run begins a series of its own; use timestamp, or leave it out", m.Name, key))
			}
		}
	}
	return faults
}

// changingTags finds tags that have no value in common in the two runs, such as
// a process id or a time. In InfluxDB each value is a new series, for ever.
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

// tagText formats tags as line protocol does.
func tagText(tags map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		fmt.Fprintf(&text, ",%s=%s", key, tags[key])
	}
	return text.String()
}
