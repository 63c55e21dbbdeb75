package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// decodePluginOutput reads the JSON list of metrics that a plugin prints. An
// element that is no metric is bad; what is no list at all is an error.
func decodePluginOutput(stdout []byte) (metrics []Metric, bad []*MetricError, err error) {
	if len(bytes.TrimSpace(stdout)) == 0 {
		return nil, nil, errors.New("printed nothing: a plugin prints a JSON list of metrics, [] where there are none")
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(stdout, &elements); err != nil {
		return nil, nil, fmt.Errorf("did not print a JSON list of metrics: %w", err)
	}
	if elements == nil { // the word null
		return nil, nil, errors.New("did not print a JSON list of metrics, but null")
	}
	metrics = make([]Metric, 0, len(elements))
	for i, element := range elements {
		var m Metric
		err := json.Unmarshal(element, &m)
		if err == nil {
			err = checkName(m.Name) // the plugin's name will stand before it
		}
		if err != nil {
			bad = append(bad, &MetricError{Index: i, Name: m.Name, Err: err})
			continue
		}
		metrics = append(metrics, m)
	}
	return metrics, bad, nil
}
