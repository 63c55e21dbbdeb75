package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of InfluxDB: a measurement with its tags, and a string field.
const (
	maxSeriesBytes = 65535
	maxStringBytes = 65535
)

// hostTag is the tag that tells which host a point is from.
const hostTag = "host"

// MetricError tells why a metric cannot be sent.
type MetricError struct {
	// Index of the metric in its list, from 0.
	Index int
	Name  string
	Err   error
}

func (e *MetricError) Error() string {
	return fmt.Sprintf("metric %d (%.100q): %v", e.Index, e.Name, e.Err)
}

// Unwrap returns the reason.
func (e *MetricError) Unwrap() error { return e.Err }

// Validate says why the metric cannot be sent; nil where it can.
func (m Metric) Validate() error {
	n := normaliser{}
	return n.normalise(&m, n.tagSet(m.Tags)) // which changes no tags where it has none to add
}

// normaliser brings metrics into the form in which an Output gets them.
type normaliser struct {
	prefix string // of the measurements' names
	tags   []tag  // for metrics that have none of the same key
	now    int64  // Unix seconds
}

type tag struct{ key, value string }

// normaliser returns the normaliser for metrics that the agent takes now.
func (a *Agent) normaliser(prefix string) normaliser {
	tags := []tag{{hostTag, a.hostname()}}
	for key, value := range a.config.tags {
		if key != hostTag {
			tags = append(tags, tag{key, value})
		}
	}
	return normaliser{prefix: prefix, tags: tags, now: time.Now().Unix()}
}

// list normalises metrics in place: their tags change too. It returns the good
// ones, in the memory of metrics, and an error for each bad one.
func (n normaliser) list(metrics []Metric) (good []Metric, bad []*MetricError) {
	good = metrics[:0]
	var before tagSet
	for i := range metrics {
		m := metrics[i]
		if !before.isOf(m.Tags) {
			before = n.tagSet(m.Tags)
		}
		if err := n.normalise(&m, before); err != nil {
			bad = append(bad, &MetricError{Index: i, Name: metrics[i].Name, Err: err})
			continue
		}
		good = append(good, m)
	}
	return good, bad
}

// tagSet is the normalised form of a metric's tags. Metrics that follow each
// other often share theirs.
type tagSet struct {
	from map[string]string // what it was made of
	tags map[string]string
	size int // in a series, in bytes
	err  error
}

// isOf tells whether the set was made of these tags.
func (s *tagSet) isOf(tags map[string]string) bool {
	return s.from != nil && reflect.ValueOf(s.from).Pointer() == reflect.ValueOf(tags).Pointer()
}

// tagSet normalises tags and adds those that they lack. It changes tags where
// that is enough.
func (n normaliser) tagSet(tags map[string]string) tagSet {
	s := tagSet{from: tags, tags: tags}
	if !s.judge() {
		s.tags = cleanTags(tags)
		s.judge()
	}
	for _, t := range n.tags {
		if s.tags[t.key] != "" {
			continue // not written again: another goroutine may be reading the map
		}
		if s.tags == nil {
			s.tags = make(map[string]string, len(n.tags))
		}
		s.tags[t.key] = t.value
		s.size += tagSize(t.key, t.value)
	}
	return s
}

// judge sets the size and the error of clean tags. It tells whether they are.
func (s *tagSet) judge() (clean bool) {
	s.size = 0
	for key, value := range s.tags {
		if !isCleanTag(key) || !isCleanTag(value) {
			return false
		}
		if isReservedTag(key) {
			s.err = fmt.Errorf("the tag %q has a meaning of its own in InfluxDB: give it another name", key)
		}
		s.size += tagSize(key, value)
	}
	return true
}

// tagSize returns what a tag takes in a series, in bytes.
func tagSize(key, value string) int { return len(key) + len(value) + 2 }

// normalise normalises a metric that has these tags.
func (n normaliser) normalise(m *Metric, tags tagSet) error {
	if err := checkName(m.Name); err != nil {
		return err
	}
	value, err := normaliseValue(m.Value)
	if err != nil {
		return err
	}
	m.Value = value
	if n.prefix != "" {
		m.Name = n.prefix + m.Name
	}
	if tags.err != nil {
		return tags.err
	}
	m.Tags = tags.tags
	if size := len(m.Name) + tags.size; size > maxSeriesBytes {
		return fmt.Errorf("name and tags take %d bytes; %d is the most that InfluxDB stores", size, maxSeriesBytes)
	}
	if !isSeconds(m.Timestamp) {
		m.Timestamp = n.now
	}
	return nil
}

// isSeconds tells whether t can be Unix seconds: ten digits, from 2001 to
// 2262, where the nanoseconds in which InfluxDB counts end. Milliseconds and
// finer units have more digits.
func isSeconds(t int64) bool { return t >= 1e9 && t <= math.MaxInt64/int64(time.Second) }

func checkName(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return errors.New("a name has only the characters 0-9 A-Z a-z . _ -")
		}
	}
	return nil
}

func normaliseValue(value any) (any, error) {
	switch v := value.(type) {
	case float64:
		if _, err := finite(v); err != nil {
			return nil, err
		}
		return value, nil // v would be allocated anew
	case bool:
		return value, nil
	case string:
		if len(v) > maxStringBytes {
			return nil, fmt.Errorf("a value of %d bytes is too long; %d is the most that InfluxDB stores", len(v), maxStringBytes)
		}
		return strings.ToValidUTF8(v, string(utf8.RuneError)), nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the value %.40q is no number that fits", v.String())
		}
		return finite(f)
	case nil:
		return nil, errors.New("the value is missing")
	}
	v := reflect.ValueOf(value)
	switch {
	case v.CanInt():
		return float64(v.Int()), nil
	case v.CanUint():
		return float64(v.Uint()), nil
	case v.CanFloat():
		return finite(v.Float())
	case v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case v.Kind() == reflect.String:
		return normaliseValue(v.String())
	}
	return nil, fmt.Errorf("a value of type %T is no number, bool or string", value)
}

func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("the value %v cannot be stored", f)
	}
	return f, nil
}

// isReservedTag tells whether InfluxDB refuses a tag of this name, or mistakes
// it for its own.
// https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/#naming-restrictions
func isReservedTag(key string) bool {
	switch key {
	case "time", "_field", "_measurement":
		return true
	}
	return false
}

func cleanTags(t map[string]string) map[string]string {
	clean := make(map[string]string, len(t)+1)
	for key, value := range t {
		key, value = cleanTag(key), cleanTag(value)
		if key != "" && value != "" {
			clean[key] = value
		}
	}
	return clean
}

// isCleanTag is a quick look: false means only that cleanTag has to decide.
func isCleanTag(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && s[len(s)-1] != '\\'
}

// cleanTag makes s fit for line protocol, which has no form for control
// characters and for a backslash at the end.
func cleanTag(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.TrimRight(strings.TrimSpace(s), `\`)
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, s)
}

// cloneMetrics copies metrics with their tags, for normalising what belongs to
// somebody else.
func cloneMetrics(metrics []Metric) []Metric {
	clones := make([]Metric, len(metrics))
	for i, m := range metrics {
		tags := make(map[string]string, len(m.Tags)+1)
		for key, value := range m.Tags {
			tags[key] = value
		}
		m.Tags = tags
		clones[i] = m
	}
	return clones
}
