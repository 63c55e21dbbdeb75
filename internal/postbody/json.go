package postbody

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/jsontext"
)

// ReadJSON passes the metrics of a JSON list to add, and returns the first error, which
// may be add's.
//
// It accepts what encoding/json accepts for a list of metrics, with keys in any case and
// unknown keys ignored. There are four differences: a key that occurs twice is an error,
// a value that is a list or an object is an error, a timestamp may be any number and is
// cut to its integer part, and a byte order mark is skipped.
//
// Points refer to the memory of body. Successive points with the same tags share the map.
func ReadJSON(body string, add func(Point) error) error {
	r := metricReader{Reader: jsontext.Reader{Text: body}}
	if strings.HasPrefix(body, byteOrderMark) {
		r.At = len(byteOrderMark)
	}
	if r.Peek() != '[' {
		return r.Expected(`a JSON list of metrics such as [{"name":"queue.length","value":7}]`)
	}
	r.At++
	for i := 0; ; i++ {
		more, err := r.More(']', i == 0)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		p, err := r.point()
		if err != nil {
			return &PointError{Index: i, Name: p.Name, Err: err}
		}
		if err := add(p); err != nil {
			return err
		}
	}
	if r.Peek() != 0 || r.At < len(r.Text) {
		return r.Expected("the end of the body")
	}
	return nil
}

// metricReader reads metrics. A reader for exactly this format takes a third of the time
// of encoding/json: docs/decisions/json.md has the figures.
type metricReader struct {
	jsontext.Reader
	tags     map[string]string // the last ones
	tagsText string            // as they were written
}

// point reads one metric. The word null stands for an empty one.
func (r *metricReader) point() (p Point, err error) {
	switch r.Peek() {
	case '{':
		r.At++
	case 'n':
		return p, r.Word("null")
	default:
		return p, r.Expected(`an object such as {"name":"queue.length","value":7}`)
	}
	var seen [4]bool
	for first := true; ; first = false {
		more, err := r.More('}', first)
		if err != nil || !more {
			return p, err
		}
		key, err := r.Key()
		if err != nil {
			return p, err
		}
		which := fieldOf(key)
		if which == unknownKey {
			err = r.Skip(1)
		} else if seen[which] {
			err = fmt.Errorf("byte %d: the key %q occurs twice", r.At, key)
		} else {
			seen[which] = true
			err = r.field(&p, which)
		}
		if err != nil {
			return p, err
		}
	}
}

// The keys of a metric.
const (
	nameKey = iota
	timestampKey
	tagsKey
	valueKey
	unknownKey
)

func fieldOf(key string) int {
	switch key {
	case "name":
		return nameKey
	case "timestamp":
		return timestampKey
	case "tags":
		return tagsKey
	case "value":
		return valueKey
	}
	for which, known := range []string{"name", "timestamp", "tags", "value"} {
		if strings.EqualFold(key, known) {
			return which
		}
	}
	return unknownKey
}

// field reads the value of a key of a metric.
func (r *metricReader) field(p *Point, which int) (err error) {
	if which != valueKey && r.Peek() == 'n' {
		return r.Word("null")
	}
	switch which {
	case nameKey:
		p.Name, err = r.String("the name, which is a string")
	case timestampKey:
		p.Timestamp, err = r.timestamp()
	case tagsKey:
		p.Tags, err = r.tagMap()
	case valueKey:
		p.Value, err = r.value()
	}
	return err
}

// timestamp reads a number and cuts it to its integer part. A number that does not fit
// becomes 0, which means no time.
func (r *metricReader) timestamp() (int64, error) {
	text, err := r.Number("the timestamp, which is a number")
	if err != nil {
		return 0, err
	}
	if t, err := strconv.ParseInt(text, 10, 64); err == nil {
		return t, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < -1e18 || f > 1e18 {
		return 0, nil
	}
	return int64(f), nil
}

// value reads a number, bool or string; null is nil.
func (r *metricReader) value() (any, error) {
	switch c := r.Peek(); {
	case c == '"':
		return r.String("a string")
	case (c == 'N' || c == 'I' || c == '-') && r.notFinite() != "":
		return nil, fmt.Errorf("the value %s cannot be stored: leave the metric out", r.notFinite())
	case c == '-' || '0' <= c && c <= '9':
		text, err := r.Number("a number")
		if err != nil {
			return nil, err
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("the value %.40s does not fit into a float", text)
		}
		return f, nil
	case c == 't':
		return true, r.Word("true")
	case c == 'f':
		return false, r.Word("false")
	case c == 'n':
		return nil, r.Word("null")
	case c == '{' || c == '[':
		return nil, errors.New("the value is a list or an object; it must be a number, a bool or a string")
	}
	return nil, r.Expected("the value, which is a number, a bool or a string")
}

// notFinite returns the word with which Python or JavaScript write a number that is not
// finite, or "" if the text continues with something else.
func (r *metricReader) notFinite() string {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if strings.HasPrefix(r.Text[r.At:], word) {
			return word
		}
	}
	return ""
}

// tagMap reads an object of strings. Tags are often the same as those of the previous
// metric: if the text begins with the same object, its map is used again.
func (r *metricReader) tagMap() (map[string]string, error) {
	if r.Peek() == '{' && r.tagsText != "" && strings.HasPrefix(r.Text[r.At:], r.tagsText) {
		r.At += len(r.tagsText)
		return r.tags, nil
	}
	begin := r.At
	if r.Peek() != '{' {
		return nil, r.Expected(`the tags, which are an object such as {"queue":"in"}`)
	}
	r.At++
	tags := make(map[string]string)
	for first := true; ; first = false {
		more, err := r.More('}', first)
		if err != nil {
			return nil, err
		}
		if !more {
			r.tags, r.tagsText = tags, r.Text[begin:r.At]
			return tags, nil
		}
		key, err := r.Key()
		if err != nil {
			return nil, err
		}
		if _, twice := tags[key]; twice {
			return nil, fmt.Errorf("byte %d: the tag %.100q occurs twice", r.At, key)
		}
		if r.Peek() == 'n' {
			err = r.Word("null")
			tags[key] = ""
		} else {
			tags[key], err = r.String("a tag's value, which is a string")
		}
		if err != nil {
			return nil, err
		}
	}
}
