package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/lodastack/agent/internal/nonfinite"
)

// PluginOutput is what a plugin printed.
type PluginOutput struct {
	// Metrics that can be sent.
	Metrics []Metric
	// Bad is the number of metrics that cannot be sent, and Reasons says why, of
	// the first 1,000 of them.
	Bad     int
	Reasons []*MetricError
}

// DecodePluginOutput reads what a plugin printed: a JSON list of metrics. What is
// no list at all is an error. Unknown keys are ignored, and so is a byte order
// mark. NaN and Infinity, which Python prints, make a metric bad.
func DecodePluginOutput(stdout []byte) (PluginOutput, error) {
	var metrics []Metric
	output, err := decodeOutput(stdout, func(part []Metric) { metrics = append(metrics, part...) })
	output.Metrics = metrics
	return output, err
}

// decodeOutput is [DecodePluginOutput], but calls send with the metrics in parts, so
// that a large output does not take its size many times in memory. Nothing is sent of
// what is no list.
func decodeOutput(stdout []byte, send func(part []Metric)) (PluginOutput, error) {
	stdout = bytes.TrimPrefix(stdout, []byte("\xef\xbb\xbf"))
	list, err := listIn(stdout)
	if err != nil { // of what was printed: its position is shown
		return PluginOutput{}, notAList(stdout, err)
	}
	var output PluginOutput
	i := 0
	for element := range elements(list) {
		output.add(i, element)
		i++
		if len(output.Metrics) == metricsAtOnce {
			send(output.Metrics)
			output.Metrics = nil
		}
	}
	if len(output.Metrics) > 0 {
		send(output.Metrics)
	}
	return output, nil
}

const (
	// metricsAtOnce is how many metrics of a plugin's output are sent at a time.
	metricsAtOnce = 1000
	// maxReasons bounds what a list of millions of bad metrics takes.
	maxReasons = 1000
)

// add takes the element of the index.
func (o *PluginOutput) add(index int, element []byte) {
	if element[0] != '{' && len(o.Reasons) == maxReasons {
		o.Bad++ // for less than an error takes: there may be millions
		return
	}
	var m Metric
	err := json.Unmarshal(element, &m)
	if err == nil {
		err = m.Validate()
	}
	if err == nil {
		o.Metrics = append(o.Metrics, m)
		return
	}
	o.Bad++
	if len(o.Reasons) < maxReasons {
		o.Reasons = append(o.Reasons, &MetricError{Index: index, Name: m.Name, Err: wrongField(err)})
	}
}

// listIn returns the text of a JSON list in which no number is NaN or infinite.
func listIn(stdout []byte) ([]byte, error) {
	var list list
	err := json.Unmarshal(stdout, &list)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		if finite := nonfinite.Replace(stdout, tooLarge); json.Unmarshal(finite, &list) == nil {
			return finite, nil
		}
	}
	return stdout, err
}

// list is any JSON list. It takes no memory.
type list struct{}

// UnmarshalJSON is given what is JSON. It fails for what is no list.
func (*list) UnmarshalJSON(text []byte) error {
	switch text[0] {
	case '[':
		return nil
	case '{':
		return &json.UnmarshalTypeError{Value: "object"}
	case '"':
		return &json.UnmarshalTypeError{Value: "string"}
	case 't', 'f':
		return &json.UnmarshalTypeError{Value: "bool"}
	case 'n':
		return errNull
	}
	return &json.UnmarshalTypeError{Value: "number"}
}

var errNull = errors.New("null is no list; print [] where there is nothing")

// elements yields the elements of what is a JSON list, without blanks around
// them.
func elements(list []byte) iter.Seq[[]byte] {
	const blanks = " \t\r\n"
	list = bytes.Trim(list, blanks)
	list = bytes.Trim(list[1:len(list)-1], blanks)
	return func(yield func([]byte) bool) {
		depth, begin, quoted := 0, 0, false
		for i := 0; i < len(list); i++ {
			switch c := list[i]; {
			case c == '"':
				quoted = !quoted
			case quoted && c == '\\':
				i++ // whatever is escaped
			case quoted:
			case c == '[' || c == '{':
				depth++
			case c == ']' || c == '}':
				depth--
			case c == ',' && depth == 0:
				if !yield(bytes.Trim(list[begin:i], blanks)) {
					return
				}
				begin = i + 1
			}
		}
		if len(list) > 0 {
			yield(bytes.Trim(list[begin:], blanks))
		}
	}
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
	case errors.Is(err, errNull):
		return err
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
