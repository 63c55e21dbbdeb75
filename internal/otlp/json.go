package otlp

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodastack/agent/internal/jsontext"
)

// ErrTooLarge is the error of a request whose binary form is larger than it may be.
var ErrTooLarge = errors.New("the request has too many values")

// FromJSON returns the binary form of a request in JSON, as far as [Read] reads it, or
// [ErrTooLarge] if that has more than limit bytes. A list of small numbers is four times as large
// in it.
//
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
func FromJSON(body string, limit int) ([]byte, error) {
	t := transcoder{Reader: jsontext.Reader{Text: body}, limit: limit}
	if err := t.object(request()); err != nil {
		return nil, err
	}
	if t.Peek() != 0 || t.At < len(t.Text) {
		return nil, t.Expected("the end of the body")
	}
	return t.out, nil
}

// transcoder writes what it reads.
type transcoder struct {
	jsontext.Reader
	out   []byte
	limit int // of out
}

// object writes the fields of an object.
func (t *transcoder) object(known object) error {
	switch t.Peek() {
	case '{':
		t.At++
	case 'n':
		return t.Word("null")
	default:
		return t.Expected("an object")
	}
	for first := true; ; first = false {
		more, err := t.More('}', first)
		if err != nil || !more {
			return err
		}
		key, err := t.Key()
		if err != nil {
			return err
		}
		if m, isKnown := known[key]; isKnown {
			err = t.member(m)
		} else {
			err = t.Skip(1)
		}
		if err != nil {
			return err
		}
	}
}

// member writes the value of a field, or each value of a list.
func (t *transcoder) member(m member) error {
	switch {
	case t.Peek() == 'n':
		return t.Word("null") // the field is not set
	case !m.repeated:
		return t.value(m)
	case t.Peek() != '[':
		return t.Expected("a list")
	}
	t.At++
	for first := true; ; first = false {
		more, err := t.More(']', first)
		if err != nil || !more {
			return err
		}
		if err := t.value(m); err != nil {
			return err
		}
	}
}

// value writes one value.
func (t *transcoder) value(m member) error {
	if len(t.out) > t.limit {
		return ErrTooLarge
	}
	switch m.kind {
	case text:
		s, err := t.String("a string")
		t.out = protowire.AppendString(protowire.AppendTag(t.out, m.number, protowire.BytesType), s)
		return err
	case embedded:
		return t.embedded(m)
	case boolean:
		is := t.Peek() == 't'
		t.out = protowire.AppendVarint(protowire.AppendTag(t.out, m.number, protowire.VarintType), protowire.EncodeBool(is))
		if is {
			return t.Word("true")
		}
		return t.Word("false")
	}
	bits, err := t.number(m.kind)
	if m.kind == varint {
		t.out = protowire.AppendVarint(protowire.AppendTag(t.out, m.number, protowire.VarintType), bits)
	} else {
		t.out = protowire.AppendFixed64(protowire.AppendTag(t.out, m.number, protowire.Fixed64Type), bits)
	}
	return err
}

// embedded writes a message behind its size, which is known only afterwards.
func (t *transcoder) embedded(m member) error {
	t.out = protowire.AppendTag(t.out, m.number, protowire.BytesType)
	begin := len(t.out)
	if err := t.object(m.of); err != nil {
		return err
	}
	size := len(t.out) - begin
	var prefix [10]byte
	head := protowire.AppendVarint(prefix[:0], uint64(size))
	t.out = append(t.out, head...) // makes room
	copy(t.out[begin+len(head):], t.out[begin:begin+size])
	copy(t.out[begin:], head)
	return nil
}

// number reads a number, or a string that holds one, and returns its bits.
func (t *transcoder) number(k kind) (bits uint64, err error) {
	begin := t.At
	var s string
	if t.Peek() == '"' {
		s, err = t.String("a number")
	} else {
		s, err = t.Number("a number")
	}
	if err != nil {
		return 0, err
	}
	if k == double {
		f, err := parseDouble(s)
		if err != nil {
			t.At = begin
			return 0, t.Expected("a number")
		}
		return math.Float64bits(f), nil
	}
	signed, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return uint64(signed), nil
	}
	if bits, err = strconv.ParseUint(s, 10, 64); err != nil {
		t.At = begin
		return 0, t.Expected("an integer of 64 bits")
	}
	return bits, nil
}

// parseDouble parses a number, or one of the words for those that JSON has not.
func parseDouble(s string) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return strconv.ParseFloat(s, 64)
}
