package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/influxdb"
)

// Metric is one measured value, in the form that plugins print and /post accepts.
type Metric struct {
	// Name is the measurement: one or more of [0-9A-Za-z._-].
	Name string `json:"name"`
	// Timestamp is in Unix seconds. Zero, or a value that cannot be seconds (such as
	// milliseconds), stands for the time at which the agent accepted the metric.
	Timestamp int64 `json:"timestamp"`
	// Tags may be nil. Keys and values are trimmed and their inner spaces become
	// '-'. A tag without a value is left out. A metric without a tag host gets the
	// agent's. A metric is invalid if it has a tag named time, _field or _measurement,
	// which InfluxDB uses itself, or if its name and tags take more than 61,439 bytes
	// in line protocol.
	Tags map[string]string `json:"tags"`
	// Value is a number of any Go type (sent as a float), a bool or a
	// string of at most 65,535 bytes. NaN and the infinities cannot be stored and
	// are refused.
	Value any `json:"value"`
}

// Batch is a list of metrics for one namespace. An [Output] receives normalised batches:
// names are valid, every metric has its host tag, timestamps are in seconds, and values are
// float64, bool or string. A batch and its tags may be shared with other batches, so the
// receiver must not change them.
type Batch struct {
	Namespace string
	Metrics   []Metric
}

const (
	// addedBytes of a series are reserved for the agent's additions: a prefix of the
	// name, the tag host and the tags of WithTags. The metric's own name and tags may
	// take the rest, so that its validity depends on nothing else.
	addedBytes    = 4096
	maxOwnBytes   = influxdb.MaxSeriesBytes - addedBytes
	maxAddedTags  = 3072
	maxPluginName = 255 // without PLUGIN.
)

// hostTag is the tag with the host of a point.
const hostTag = "host"

// MetricError says why a metric cannot be sent.
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

// Validate returns an error if the metric cannot be sent. The agent drops or refuses exactly
// the metrics that are not valid, wherever they come from. Names that
// plugins print in another format than JSON, and those of OTLP and statsd, are made valid before.
func (m Metric) Validate() error { return m.clean(influxdb.NewTags(m.Tags)) }

// normaliser converts metrics to the form in which an Output gets them.
type normaliser struct {
	prefix string         // of the measurements' names
	tags   []influxdb.Tag // for metrics that have none of the same key
	now    int64          // Unix seconds
}

// normaliser returns the normaliser for metrics that the agent accepts now.
func (a *Agent) normaliser(prefix string) normaliser {
	tags := []influxdb.Tag{{Key: hostTag, Value: a.hostname()}}
	for key, value := range a.settings.Load().tags {
		if key != hostTag {
			tags = append(tags, influxdb.Tag{Key: key, Value: value})
		}
	}
	return normaliser{prefix: prefix, tags: tags, now: time.Now().Unix()}
}

// list normalises metrics in place: their tags change too. It returns the good
// ones, in the memory of metrics, and an error for each bad one.
func (n normaliser) list(metrics []Metric) (good []Metric, bad []*MetricError) {
	good = metrics[:0]
	var before influxdb.Tags
	for i := range metrics {
		m := metrics[i]
		if !before.Of(m.Tags) {
			before = influxdb.NewTags(m.Tags)
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
func (n normaliser) normalise(m *Metric, tags *influxdb.Tags) error {
	if err := m.clean(*tags); err != nil {
		return err
	}
	if n.prefix != "" {
		m.Name = n.prefix + m.Name
	}
	tags.Add(n.tags)
	m.Tags = tags.Map()
	if !influxdb.IsSeconds(m.Timestamp) {
		m.Timestamp = n.now
	}
	return nil
}

// clean converts the value and the tags to the form in which they are sent, or returns why
// the metric cannot be sent. Nothing else decides that.
func (m *Metric) clean(tags influxdb.Tags) error {
	if err := influxdb.CheckName(m.Name); err != nil {
		return err
	}
	value, err := influxdb.Value(m.Value)
	if err != nil {
		return err
	}
	if tags.Err() != nil {
		return tags.Err()
	}
	if size := len(m.Name) + tags.Size(); size > maxOwnBytes {
		return fmt.Errorf("name and tags take %d bytes; the limit is %d", size, maxOwnBytes)
	}
	m.Value, m.Tags = value, tags.Map()
	return nil
}

// cloneMetrics copies metrics with their tags, to normalise metrics of another owner.
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

// CheckTags returns an error if [WithTags] does not take the tags.
func CheckTags(tags map[string]string) error { return checkTags(tags, "") }

// checkTags puts prefix before each error.
func checkTags(tags map[string]string, prefix string) error {
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if err := checkOwnTag(key, tags[key]); err != nil {
			wrong = append(wrong, fmt.Errorf("%sthe tag %.100q: %w", prefix, key, err))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	return checkTagsSize(tags, prefix)
}

func checkTagsSize(tags map[string]string, prefix string) error {
	own := influxdb.NewTags(tags)
	if size := own.Size(); size > maxAddedTags {
		return fmt.Errorf("%sthe tags take %d bytes; the limit is %d", prefix, size, maxAddedTags)
	}
	return nil
}

// checkOwnTag returns an error if the agent may not add a tag to its points.
func checkOwnTag(key, value string) error {
	switch {
	case key == "" || influxdb.CleanTag(key) != key:
		return errors.New("the key is empty or has spaces or control characters, or a backslash at its end")
	case value == "" || influxdb.CleanTag(value) != value:
		return fmt.Errorf("the value %.100q is empty or has spaces or control characters, or a backslash at its end", value)
	case key == hostTag:
		return errors.New("WithHostname sets it")
	case influxdb.IsReservedTag(key):
		return errors.New("InfluxDB uses this name itself: give the tag another name")
	}
	return nil
}
