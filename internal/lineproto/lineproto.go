// Package lineproto writes points as InfluxDB line protocol: one line a
// point, tags sorted by key, a single field "value", timestamps in seconds.
//
// https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
package lineproto

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// Encoder encodes points one after the other. The zero value is ready for
// use; it is not safe for concurrent use.
type Encoder struct {
	enc lineprotocol.Encoder

	// The tags of the last point, since those of the next are often the same.
	tags    []tag  // sorted
	text    []byte // ,key=value for each, unless special
	special bool   // something in the tags is not plain
}

type tag struct{ key, value string }

// AppendPoint appends one point, newline included, to buf and returns the
// extended buffer. value is a float64, a bool or a string. A point that line
// protocol has no form for leaves buf as it was.
//
// Nearly every point is made of letters, digits and punctuation that mean
// nothing in line protocol; those are only copied. All others are left to the
// line-protocol library, which costs three times as much.
func (e *Encoder) AppendPoint(buf []byte, name string, tags map[string]string, value any, seconds int64) ([]byte, error) {
	if !e.hasTags(tags) {
		e.setTags(tags)
	}
	if line, ok := e.appendPlain(buf, name, value, seconds); ok {
		return line, nil
	}
	line, err := e.appendAny(buf, name, value, seconds)
	if err != nil {
		return buf, fmt.Errorf("encode point %s: %w", name, err)
	}
	return line, nil
}

// hasTags tells whether tags are those of the last point.
func (e *Encoder) hasTags(tags map[string]string) bool {
	if len(tags) != len(e.tags) {
		return false
	}
	for _, t := range e.tags {
		if value, ok := tags[t.key]; !ok || value != t.value {
			return false
		}
	}
	return true
}

func (e *Encoder) setTags(tags map[string]string) {
	e.tags = e.tags[:0]
	for key, value := range tags {
		e.tags = append(e.tags, tag{key, value})
	}
	slices.SortFunc(e.tags, func(a, b tag) int { return strings.Compare(a.key, b.key) })

	e.text, e.special = e.text[:0], false
	for _, t := range e.tags {
		if !plain(t.key) || !plain(t.value) {
			e.special = true
			return
		}
		e.text = append(e.text, ',')
		e.text = append(e.text, t.key...)
		e.text = append(e.text, '=')
		e.text = append(e.text, t.value...)
	}
}

// appendPlain appends a point in which nothing needs to be escaped or is
// invalid. It returns false where that is not so.
func (e *Encoder) appendPlain(buf []byte, name string, value any, seconds int64) ([]byte, bool) {
	const last = math.MaxInt64 / int64(time.Second) // timestamps end in nanoseconds
	if e.special || !plain(name) || seconds < -last || seconds > last {
		return buf, false
	}
	line := append(buf, name...)
	line = append(line, e.text...)
	line = append(line, " value="...)
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return buf, false
		}
		line = strconv.AppendFloat(line, v, 'g', -1, 64)
	case bool:
		line = strconv.AppendBool(line, v)
	default:
		return buf, false
	}
	line = append(line, ' ')
	line = strconv.AppendInt(line, seconds, 10)
	return append(line, '\n'), true
}

// plain tells whether s is not empty and stands for itself as a name, a tag's
// key and a tag's value.
func plain(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b >= 0x7f || b == ',' || b == '=' || b == '\\' || b == '"' || b == '#' {
			return false
		}
	}
	return s != ""
}

// appendAny appends any point, or nothing and an error.
func (e *Encoder) appendAny(buf []byte, name string, value any, seconds int64) ([]byte, error) {
	v, ok := lineprotocol.NewValue(value)
	if !ok {
		return buf, fmt.Errorf("value %v has no form in line protocol", value)
	}
	if strings.HasPrefix(name, "#") {
		return buf, errors.New("a line that begins with # is a comment")
	}
	e.enc.SetBuffer(buf)
	e.enc.SetPrecision(lineprotocol.Second)
	e.enc.StartLine(name)
	for _, t := range e.tags {
		e.enc.AddTag(t.key, t.value)
	}
	e.enc.AddField("value", v)
	e.enc.EndLine(time.Unix(seconds, 0))
	return e.enc.Bytes(), e.enc.Err()
}
