package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxSeriesBytes and maxStringBytes are limits of InfluxDB: of a measurement
	// with its tags, escaped as in line protocol, and of a string field.
	maxSeriesBytes = 65535
	maxStringBytes = 65535
	// addedBytes of a series are kept for what the agent adds: a prefix of the
	// name, the tag host and the tags of WithTags. What a metric brings along may
	// take the rest, so that whether it can be sent depends on nothing else.
	addedBytes    = 4096
	maxOwnBytes   = maxSeriesBytes - addedBytes
	maxAddedTags  = 3072
	maxPluginName = 255 // without PLUGIN.
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

// Validate says why the metric cannot be sent; nil where it can. The agent drops
// or refuses exactly what is not valid, whoever made it.
func (m Metric) Validate() error { return m.clean(normaliseTags(m.Tags)) }

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
			before = normaliseTags(m.Tags)
		}
		if err := n.normalise(&m, &before); err != nil {
			bad = append(bad, &MetricError{Index: i, Name: metrics[i].Name, Err: err})
			continue
		}
		good = append(good, m)
	}
	return good, bad
}

// normalise normalises a metric that has these tags.
func (n normaliser) normalise(m *Metric, tags *tagSet) error {
	if err := m.clean(*tags); err != nil {
		return err
	}
	if n.prefix != "" {
		m.Name = n.prefix + m.Name
	}
	tags.add(n.tags)
	m.Tags = tags.tags
	if !isSeconds(m.Timestamp) {
		m.Timestamp = n.now
	}
	return nil
}

// clean brings the value and the tags into the form in which they are sent, or
// says why the metric cannot be. It is the one judge of metrics.
func (m *Metric) clean(tags tagSet) error {
	if err := checkName(m.Name); err != nil {
		return err
	}
	value, err := normaliseValue(m.Value)
	if err != nil {
		return err
	}
	if tags.err != nil {
		return tags.err
	}
	if size := len(m.Name) + tags.size; size > maxOwnBytes {
		return fmt.Errorf("name and tags take %d bytes; %d is the most that can be sent", size, maxOwnBytes)
	}
	m.Value, m.Tags = value, tags.tags
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
		if !utf8.ValidString(v) {
			return normaliseValue(strings.ToValidUTF8(v, string(utf8.RuneError)))
		}
		if len(v) > maxStringBytes {
			return nil, fmt.Errorf("a value of %d bytes is too long; %d is the most that InfluxDB stores", len(v), maxStringBytes)
		}
		return value, nil
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
