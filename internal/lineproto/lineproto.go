// Package lineproto writes and reads points as InfluxDB line protocol. It writes tags
// sorted by key, a single field "value", and timestamps in seconds.
//
// There are dialects. InfluxDB 1.x, Telegraf's default parser and line-protocol/v2 read
// the lines of this package in the same way. A line break in a text is written unescaped,
// inside the quotes: Telegraf refuses the whole message because of an escaped one, and
// InfluxDB 1.x stores a backslash and an n. A form feed, and a carriage return without a
// line feed, become blanks, because the three do not agree on any form for them.
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
	"unicode/utf8"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/lodastack/agent/internal/influxdb"
)

// Encoder encodes points one after the other. The zero value is ready for
// use; it is not safe for concurrent use.
type Encoder struct {
	enc lineprotocol.Encoder

	// The tags of the last point, since those of the next are often the same.
	tags    []tag  // sorted
	text    []byte // ,key=value for each, unless special
	special bool   // something in the tags is not plain

	inBatch bool
	of      map[string]string // the map of these tags, in a batch

	// The time of the last point: those of a batch are mostly of the same second.
	seconds int64
	end     []byte // blank, seconds, newline; empty before the first point
}

type tag struct{ key, value string }

// Begin begins a batch of points, whose maps of tags do not change before the next one
// begins: a map that several points share is compared once. Without it, each is.
func (e *Encoder) Begin() { e.inBatch, e.of = true, nil }

// AppendPoint appends one point, newline included, to buf and returns the
// extended buffer. value is a float64, a bool or a string. If line protocol has no form
// for the point, buf stays as it was.
//
// Nearly all names and tags have only letters, digits and punctuation without a meaning
// in line protocol. These are only copied. The line-protocol library, which costs three
// times as much, encodes the others.
func (e *Encoder) AppendPoint(buf []byte, name string, tags map[string]string, value any, seconds int64) ([]byte, error) {
	if !influxdb.SameMap(tags, e.of) {
		if !e.hasTags(tags) {
			e.setTags(tags)
		}
		if e.inBatch {
			e.of = tags
		}
	}
	line, err := e.appendSeries(buf, name)
	if err == nil {
		line, err = appendField(line, value)
	}
	if err == nil && (seconds < -latest || seconds > latest) {
		err = fmt.Errorf("time %d is out of range", seconds)
	}
	if err != nil {
		return buf, fmt.Errorf("encode point %s: %w", name, err)
	}
	if len(e.end) == 0 || seconds != e.seconds {
		e.seconds = seconds
		e.end = append(strconv.AppendInt(append(e.end[:0], ' '), seconds, 10), '\n')
	}
	return append(line, e.end...), nil
}

// latest is the last second that InfluxDB can store in nanoseconds.
const latest = math.MaxInt64 / int64(time.Second)

// hasTags reports whether tags are those of the last point.
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

// appendSeries appends the name and the tags.
func (e *Encoder) appendSeries(buf []byte, name string) ([]byte, error) {
	if !e.special && plain(name) {
		return append(append(buf, name...), e.text...), nil
	}
	if strings.HasPrefix(name, "#") {
		return buf, errors.New("a line that begins with # is a comment")
	}
	e.enc.SetBuffer(buf)
	e.enc.StartLine(name)
	for _, t := range e.tags {
		e.enc.AddTag(alike(t.key), alike(t.value))
	}
	return e.enc.Bytes(), e.enc.Err()
}

// alike returns a tag's key or value without the backslashes before a quote,
// if one must be escaped: Telegraf then reads the quote as escaped, too.
func alike(s string) string {
	if !strings.Contains(s, `\"`) || !strings.ContainsAny(s, ",= ") {
		return s
	}
	for strings.Contains(s, `\"`) {
		s = strings.ReplaceAll(s, `\"`, `"`)
	}
	return s
}

// appendField appends the field.
func appendField(buf []byte, value any) ([]byte, error) {
	buf = append(buf, " value="...)
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return buf, fmt.Errorf("value %v has no form in line protocol", v)
		}
		return appendNumber(buf, v), nil
	case bool:
		return strconv.AppendBool(buf, v), nil
	case string:
		if !utf8.ValidString(v) {
			return buf, errors.New("the text is not UTF-8")
		}
		return AppendText(buf, v), nil
	}
	return buf, fmt.Errorf("value %v has no form in line protocol", value)
}

// appendNumber appends a number as strconv's format g does, small integers faster than it.
func appendNumber(buf []byte, v float64) []byte {
	const exponent = 1e6 // from here on, g writes one
	if n := int64(v); float64(n) == v && v > -exponent && v < exponent && (n != 0 || !math.Signbit(v)) {
		return strconv.AppendInt(buf, n, 10)
	}
	return strconv.AppendFloat(buf, v, 'g', -1, 64)
}

// AppendText appends a text in quotes, as the value of a field.
func AppendText(buf []byte, text string) []byte {
	buf = append(buf, '"')
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"' || b == '\\':
			buf = append(buf, '\\', b)
		case b == '\f', b == '\r' && !strings.HasPrefix(text[i+1:], "\n"):
			buf = append(buf, ' ')
		default:
			buf = append(buf, b)
		}
	}
	return append(buf, '"')
}

// plain reports whether s is not empty and needs no escapes as a name, a tag's key and a
// tag's value.
func plain(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b >= 0x7f || b == ',' || b == '=' || b == '\\' || b == '"' || b == '#' {
			return false
		}
	}
	return s != ""
}
