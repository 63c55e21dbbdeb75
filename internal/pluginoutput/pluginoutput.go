// Package pluginoutput reads what a plugin printed, a JSON list of metrics, and
// says in an author's words what is wrong with it. Whether a metric can be sent is
// for the agent to say.
package pluginoutput

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lodastack/agent/internal/nonfinite"
)

// Metric is one printed value. Its fields are those of the agent's Metric.
type Metric struct {
	Name      string            `json:"name"`
	Timestamp int64             `json:"timestamp"`
	Tags      map[string]string `json:"tags"`
	Value     any               `json:"value"`
}

// Each calls add for each metric of the list, with its position and what is wrong
// with it, if anything is. The error says why stdout is no list. Unknown keys are
// ignored, and so is a byte order mark. NaN and Infinity, which Python prints, make
// a metric wrong.
func Each(stdout []byte, add func(i int, m Metric, wrong error)) error {
	stdout = bytes.TrimPrefix(stdout, []byte("\xef\xbb\xbf"))
	list, n, err := listIn(stdout)
	if err != nil { // of what was printed: its position is shown
		return notAList(stdout, err)
	}
	if n < 0 {
		return errors.New("null is no list; print [] where there is nothing")
	}
	elements := json.NewDecoder(bytes.NewReader(list))
	if _, err := elements.Token(); err != nil { // the bracket; listIn has seen the whole list
		return err
	}
	for i := range n {
		var m Metric
		wrong := elements.Decode(&m)
		add(i, m, wrongField(wrong))
	}
	return nil
}

// listIn returns the text of a JSON list in which no number is NaN or infinite,
// and the number of its elements; -1 for null.
func listIn(stdout []byte) (text []byte, n int, err error) {
	var elements []element
	err = json.Unmarshal(stdout, &elements)
	if err != nil {
		if finite := nonfinite.Replace(stdout, tooLarge); json.Unmarshal(finite, &elements) == nil {
			stdout, err = finite, nil
		}
	}
	if elements == nil {
		return stdout, -1, err
	}
	return stdout, len(elements), err
}

// element of a list is counted, and takes no memory.
type element struct{}

// UnmarshalJSON takes whatever stands there.
func (*element) UnmarshalJSON([]byte) error { return nil }

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
