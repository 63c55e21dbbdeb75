package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
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
func (m Metric) Validate() error { return m.clean() }

// normaliser brings metrics into the form in which an Output gets them.
type normaliser struct {
	prefix string            // of the measurements' names
	tags   map[string]string // for metrics that have none of the same key
	now    int64             // Unix seconds
}

// normaliser returns the normaliser for metrics that the agent takes now.
func (a *Agent) normaliser(prefix string) normaliser {
	tags := maps.Clone(a.config.tags)
	if tags == nil {
		tags = make(map[string]string, 1)
	}
	tags[hostTag] = a.hostname()
	return normaliser{prefix: prefix, tags: tags, now: time.Now().Unix()}
}

// list normalises metrics in place: their tags change too. It returns the good
// ones, in the memory of metrics, and an error for each bad one.
func (n normaliser) list(metrics []Metric) (good []Metric, bad []*MetricError) {
	good = metrics[:0]
	for i := range metrics {
		m := metrics[i]
		if err := n.normalise(&m); err != nil {
			bad = append(bad, &MetricError{Index: i, Name: metrics[i].Name, Err: err})
			continue
		}
		good = append(good, m)
	}
	return good, bad
}

func (n normaliser) normalise(m *Metric) error {
	if err := m.clean(); err != nil {
		return err
	}
	if n.prefix != "" {
		m.Name = n.prefix + m.Name
	}
	m.Tags = n.addTags(m.Tags)
	if !isSeconds(m.Timestamp) {
		m.Timestamp = n.now
	}
	return nil
}

// clean brings the value and the tags into the form in which they are sent, or
// says why the metric cannot be. It is the one judge of metrics. It does not
// write to the map of the tags, which others may be reading.
func (m *Metric) clean() error {
	if err := checkName(m.Name); err != nil {
		return err
	}
	value, err := normaliseValue(m.Value)
	if err != nil {
		return err
	}
	m.Value = value
	for key, value := range m.Tags {
		if !isCleanTag(key) || !isCleanTag(value) {
			m.Tags = cleanTags(m.Tags)
			break
		}
	}
	size := len(m.Name)
	for key, value := range m.Tags {
		if isReservedTag(key) {
			return fmt.Errorf("the tag %q has a meaning of its own in InfluxDB: give it another name", key)
		}
		size += len(key) + len(value) + 2
	}
	if size > maxOwnBytes/2 { // since escaping may double what a tag takes
		size = len(m.Name) + tagBytes(m.Tags)
	}
	if size > maxOwnBytes {
		return fmt.Errorf("name and tags take %d bytes; %d is the most that can be sent", size, maxOwnBytes)
	}
	return nil
}

// tagBytes returns how many bytes tags take in line protocol.
func tagBytes(tags map[string]string) (bytes int) {
	for key, value := range tags {
		bytes += len(key) + len(value) + 2
		for _, escaped := range []string{",", "="} {
			bytes += strings.Count(key, escaped) + strings.Count(value, escaped)
		}
	}
	return bytes
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

// addTags returns t with the tags that it lacks. It changes t where there is one.
func (n normaliser) addTags(t map[string]string) map[string]string {
	for key, value := range n.tags {
		if t[key] != "" {
			continue // not written again: another goroutine may be reading t
		}
		if t == nil {
			t = make(map[string]string, len(n.tags))
		}
		t[key] = value
	}
	return t
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
