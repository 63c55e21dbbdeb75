package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// DecodePluginOutput reads what a plugin printed: a JSON list of metrics. It
// returns the metrics that can be sent, and why each of the others cannot.
// What is no list at all is an error. Unknown keys are ignored.
func DecodePluginOutput(stdout []byte) (metrics []Metric, bad []*MetricError, err error) {
	const want = `print a JSON list of metrics, [{"name": "…", "value": 1}, …], or [] where there are none`
	if len(bytes.TrimSpace(stdout)) == 0 {
		return nil, nil, errors.New("printed nothing: " + want)
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(stdout, &elements); err != nil {
		return nil, nil, fmt.Errorf("%w: %s", err, want)
	}
	if elements == nil {
		return nil, nil, errors.New("null is no list: " + want)
	}
	metrics = make([]Metric, 0, len(elements))
	for i, element := range elements {
		var m Metric
		err := json.Unmarshal(element, &m)
		if err == nil {
			err = m.Validate()
		}
		if err != nil {
			bad = append(bad, &MetricError{Index: i, Name: m.Name, Err: err})
			continue
		}
		metrics = append(metrics, m)
	}
	return metrics, bad, nil
}
