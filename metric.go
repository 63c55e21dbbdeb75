package agent

import (
	"fmt"
	"time"

	"github.com/lodastack/agent/internal/influxdb"
)

// Metric is one measured value, in the form that plugins print and that
// /post takes.
type Metric struct {
	// Name is the measurement: one or more of [0-9A-Za-z._-].
	Name string `json:"name"`
	// Timestamp is in Unix seconds. Zero, or a value that cannot be seconds
	// (milliseconds, say), stands for the time at which the agent took it.
	Timestamp int64 `json:"timestamp"`
	// Tags may be nil. Keys and values are trimmed and their inner spaces become
	// '-'; a tag without a value is left out. A metric that has no tag host gets
	// the agent's. A tag named time, _field or _measurement makes the metric a
	// bad one: InfluxDB has its own use for these names. So do name and tags that
	// take more than 61,439 bytes in line protocol.
	Tags map[string]string `json:"tags"`
	// Value is a number of any Go type (sent as a float), a bool or a
	// string of at most 65,535 bytes. NaN and the infinities cannot be stored and
	// are refused.
	Value any `json:"value"`
}

// Batch is a list of metrics for one namespace. What an [Output] receives is
// normalised: names are valid, every metric has its host tag, timestamps are
// in seconds, and values are float64, bool or string. A batch and its tags
// may be shared with other batches: whoever receives one must not change it.
type Batch struct {
	Namespace string
	Metrics   []Metric
}

const (
	// addedBytes of a series are kept for what the agent adds: a prefix of the
	// name, the tag host and the tags of WithTags. What a metric brings along may
	// take the rest, so that whether it can be sent depends on nothing else.
	addedBytes    = 4096
	maxOwnBytes   = influxdb.MaxSeriesBytes - addedBytes
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

// Validate says why the metric cannot be sent; nil if it can. The agent drops
// or refuses exactly what is not valid, whoever made it.
func (m Metric) Validate() error { return m.clean(influxdb.NewTags(m.Tags)) }

// normaliser brings metrics into the form in which an Output gets them.
type normaliser struct {
	prefix string         // of the measurements' names
	tags   []influxdb.Tag // for metrics that have none of the same key
	now    int64          // Unix seconds
}

// normaliser returns the normaliser for metrics that the agent takes now.
func (a *Agent) normaliser(prefix string) normaliser {
	tags := []influxdb.Tag{{Key: hostTag, Value: a.hostname()}}
	for key, value := range a.config.tags {
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

// clean brings the value and the tags into the form in which they are sent, or
// says why the metric cannot be. It is the one judge of metrics.
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
		return fmt.Errorf("name and tags take %d bytes; %d is the most that can be sent", size, maxOwnBytes)
	}
	m.Value, m.Tags = value, tags.Map()
	return nil
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
