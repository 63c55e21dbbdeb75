package pluginoutput

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/nonfinite"
)

// jsonPoints yields the metrics of the printed list. The error says why stdout is not a list.
// NaN and Infinity, which Python prints, become numbers that do not fit into a float64.
func jsonPoints(stdout []byte) (iter.Seq2[lineproto.Point, error], error) {
	list, err := listIn(stdout)
	if err != nil { // of what was printed: its position is shown
		return nil, notAList(stdout, err)
	}
	return func(yield func(lineproto.Point, error) bool) {
		for element := range elementsOf(list) {
			if !yield(decodeElement(element)) {
				return
			}
		}
	}, nil
}

// jsonLines yields the metrics of lines, each of which is a metric or a list.
func jsonLines(stdout []byte) iter.Seq2[lineproto.Point, error] {
	return func(yield func(lineproto.Point, error) bool) {
		for line := range bytes.Lines(stdout) {
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				continue
			}
			if line[0] == '{' {
				if point, err := decode(line); err == nil { // nearly every line
					if !yield(point, nil) {
						return
					}
					continue
				}
			}
			list := line
			if line[0] != '[' {
				list = slices.Concat([]byte("["), line, []byte("]"))
			}
			points, err := jsonPoints(list)
			if err != nil { // decode says what is wrong with the line itself
				points = func(yield func(lineproto.Point, error) bool) { yield(decode(line)) }
			}
			for point, err := range points {
				if !yield(point, err) {
					return
				}
			}
		}
	}
}

// decodeElement reads an element of a list.
func decodeElement(element []byte) (lineproto.Point, error) {
	switch element[0] {
	case '{':
		return decode(element)
	case 'n':
		return lineproto.Point{}, nil // null: a metric without a name
	}
	return lineproto.Point{}, notAMetric(element[0])
}

// decode reads one metric. Unknown keys are ignored.
func decode(text []byte) (lineproto.Point, error) {
	var metric struct {
		Name      string            `json:"name"`
		Timestamp int64             `json:"timestamp"`
		Tags      map[string]string `json:"tags"`
		Value     any               `json:"value"`
	}
	err := json.Unmarshal(text, &metric)
	return lineproto.Point(metric), wrongField(err)
}

// notAMetric is the first byte of JSON that is not an object. As an error it takes no memory:
// a list may have millions of them.
type notAMetric byte

func (e notAMetric) Error() string {
	return fmt.Sprintf(`a %s is not a metric: write {"name": "…", "value": 1}`, kindOf(byte(e)))
}

// kindOf returns the word of encoding/json for JSON that begins with first.
func kindOf(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	}
	return "number"
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

// UnmarshalJSON fails if the JSON is not a list.
func (*list) UnmarshalJSON(text []byte) error {
	switch text[0] {
	case '[':
		return nil
	case 'n':
		return errNull
	}
	return &json.UnmarshalTypeError{Value: kindOf(text[0])}
}

var errNull = errors.New("null is not a list; print [] if there is nothing")

// elementsOf yields the elements of a JSON list, without blanks around them.
func elementsOf(list []byte) iter.Seq[[]byte] {
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

// tooLarge is a number that does not fit into a float64. A metric with this value cannot be
// decoded, but all others can.
const tooLarge = "1e999"

// shownAround is how many bytes an error shows around the place that is not JSON.
const shownAround = 30

// notAList explains how to print a list, and shows where the output is something else.
func notAList(stdout []byte, err error) error {
	const wanted = `print [ {"name": "…", "value": 1}, … ], or [] if there is nothing`
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, errNull):
		return err
	case len(bytes.TrimSpace(stdout)) == 0:
		return errors.New("it printed nothing; " + wanted)
	case errors.As(err, &kind):
		return fmt.Errorf("it printed JSON, but the %s is not a list; %s", kind.Value, wanted)
	case errors.As(err, &syntax):
		at := int(syntax.Offset)
		return fmt.Errorf("%w, at byte %d: … %s …; %s", err, at, bytes.TrimSpace(stdout[max(0, at-shownAround):min(len(stdout), at+shownAround)]), wanted)
	}
	return fmt.Errorf("%w; %s", err, wanted)
}

// wrongField rewords an error of encoding/json about a metric for the plugin's author.
func wrongField(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err
	}
	switch kind.Field {
	case "value":
		return errors.New("the value is not a finite number: leave the metric out if there is nothing to measure")
	case "timestamp":
		return fmt.Errorf("the timestamp is a %s: write whole seconds without a fraction or quotes, or leave it out", kind.Value)
	case "name":
		return fmt.Errorf("the name is a %s: put it in quotes", kind.Value)
	case "tags":
		return fmt.Errorf(`in the tags there is a %s: they are {"key": "value"}, both in quotes`, kind.Value)
	}
	return err
}
