package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lodastack/agent/internal/nonfinite"
)

// DecodePluginOutput reads what a plugin printed: a JSON list of metrics. It
// returns the metrics that can be sent, and why each of the others cannot.
// What is no list at all is an error. Unknown keys are ignored, and so is a byte
// order mark. NaN and Infinity, which Python prints, make a metric bad.
func DecodePluginOutput(stdout []byte) (metrics []Metric, bad []*MetricError, err error) {
	stdout = bytes.TrimPrefix(stdout, []byte("\xef\xbb\xbf"))
	var elements []json.RawMessage
	err = json.Unmarshal(stdout, &elements)
	if err != nil && json.Unmarshal(nonfinite.Replace(stdout, tooLarge), &elements) == nil {
		err = nil
	}
	if err != nil { // of what was printed: its position is shown
		return nil, nil, notAList(stdout, err)
	}
	if elements == nil {
		return nil, nil, errors.New("null is no list; print [] where there is nothing")
	}
	metrics = make([]Metric, 0, len(elements))
	for i, element := range elements {
		var m Metric
		err := json.Unmarshal(element, &m)
		if err == nil {
			err = m.Validate()
		}
		if err != nil {
			bad = append(bad, &MetricError{Index: i, Name: m.Name, Err: wrongField(err)})
			continue
		}
		metrics = append(metrics, m)
	}
	return metrics, bad, nil
}

// tooLarge is a number that no float64 holds: a metric whose value it is cannot
// be decoded, and all others can.
const tooLarge = "1e999"

// shownAround is how many bytes are shown around what is no JSON.
const shownAround = 30

// notAList says what a list is to whoever printed something else, and where it
// begins to be something else.
func notAList(stdout []byte, err error) error {
	const wanted = `print [ {"name": "…", "value": 1}, … ], or [] where there is nothing`
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(stdout)) == 0:
		return errors.New("it printed nothing; " + wanted)
	case errors.As(err, &kind):
		return fmt.Errorf("it printed JSON, but the %s is no list; %s", kind.Value, wanted)
	case errors.As(err, &syntax):
		at := int(syntax.Offset)
		return fmt.Errorf("%w, at byte %d: … %s …; %s", err, at, bytes.TrimSpace(stdout[max(0, at-shownAround):min(len(stdout), at+shownAround)]), wanted)
	}
	return fmt.Errorf("%w; %s", err, wanted)
}

// wrongField puts what encoding/json says of a metric in an author's words.
func wrongField(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err
	}
	switch kind.Field {
	case "":
		return fmt.Errorf(`a %s is no metric: write {"name": "…", "value": 1}`, kind.Value)
	case "value":
		return errors.New("the value is no finite number: leave the metric out where there is nothing to measure")
	case "timestamp":
		return fmt.Errorf("the timestamp is a %s: write whole seconds without a fraction or quotes, or leave it out", kind.Value)
	case "name":
		return fmt.Errorf("the name is a %s: put it in quotes", kind.Value)
	case "tags":
		return fmt.Errorf(`in the tags there is a %s: they are {"key": "value"}, both in quotes`, kind.Value)
	}
	return err
}
