package statsd

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/influxdb"
)

// series is what the samples of one kind, name and tags amount to.
type series struct {
	name    string
	tags    map[string]string // clean; never changed
	kind    kind
	written time.Time // zero: no sample was good

	sum     float64             // of a counter
	value   float64             // of a gauge
	timings *distribution       // of a timer
	members map[uint64]struct{} // of a set: their hashes
}

// newSeries returns an error if no metric can have the name and the tags of the sample.
func newSeries(s sample) (*series, error) {
	base, rest, _ := bytes.Cut(s.name, []byte{','})
	tags := make(map[string]string)
	addTags(tags, string(rest), "=")
	addTags(tags, string(s.tags), ":")
	clean := influxdb.NewTags(tags)
	made := &series{name: influxdb.CleanName(string(base)), tags: clean.Map(), kind: s.kind}
	if err := (agent.Metric{Name: made.name, Tags: made.tags, Value: 0}).Validate(); err != nil {
		return nil, err
	}
	switch s.kind {
	case timer:
		made.timings = newDistribution()
	case set:
		made.members = make(map[uint64]struct{})
	}
	return made, nil
}

// addTags adds the tags of a list with commas. A tag without a value has the value true.
func addTags(tags map[string]string, list, separator string) {
	for tag := range strings.SplitSeq(list, ",") {
		if tag == "" {
			continue
		}
		key, value, found := strings.Cut(tag, separator)
		if !found {
			value = "true"
		}
		tags[key] = value
	}
}

// key identifies a series whatever the order of its tags was.
func (s *series) key() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%c%s", s.kind, s.name)
	for _, key := range slices.Sorted(maps.Keys(s.tags)) {
		fmt.Fprintf(&text, "\x00%s\x00%s", key, s.tags[key])
	}
	return text.String()
}

// add adds the values of a sample. Those before a bad one are kept.
func (s *series) add(sent sample, now time.Time) error {
	for values, more := sent.values, true; more; {
		var text []byte
		text, values, more = bytes.Cut(values, []byte{':'})
		value, err := number(text)
		if err != nil {
			return err
		}
		s.written = now
		switch s.kind {
		case counter:
			s.sum += value / sent.rate
		case timer:
			s.timings.add(value, 1/sent.rate)
		case gauge:
			if text[0] == '+' || text[0] == '-' {
				value += s.value
			}
			s.value = value
		}
	}
	return nil
}

// addMember adds a member to a set, and reports whether it is new. Without room, a new one is
// an error.
func (s *series) addMember(member []byte, seed maphash.Seed, room bool, now time.Time) (added bool, err error) {
	hash := maphash.Bytes(seed, member)
	_, known := s.members[hash]
	if !known && !room {
		return false, errFull
	}
	s.members[hash] = struct{}{}
	s.written = now
	return !known, nil
}

// metrics returns what is sent for an interval that ended at the time at. A value that has
// become infinite, because its samples were too large, is left out.
func (s *series) metrics(took time.Duration, at time.Time) []agent.Metric {
	metrics := make([]agent.Metric, 0, 6)
	add := func(suffix string, value float64) {
		if !math.IsInf(value, 0) && !math.IsNaN(value) {
			metrics = append(metrics, agent.Metric{Name: s.name + suffix, Timestamp: at.Unix(), Tags: s.tags, Value: value})
		}
	}
	switch s.kind {
	case counter:
		add(".count", s.sum)
		add(".rate", s.sum/took.Seconds())
	case gauge:
		add("", s.value)
	case timer:
		add(".count", s.timings.count)
		add(".mean", s.timings.mean())
		add(".p50", s.timings.quantile(0.5))
		add(".p90", s.timings.quantile(0.9))
		add(".p99", s.timings.quantile(0.99))
		add(".max", s.timings.max())
	case set:
		add(".count", float64(len(s.members)))
	}
	return metrics
}
