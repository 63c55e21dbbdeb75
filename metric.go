package agent

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
