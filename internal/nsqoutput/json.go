package nsqoutput

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lineproto"
)

// jsonFormat writes what the lodastack router reads:
//
//	{"database":"collect.NS","retentionPolicy":"default","precision":"s","points":[
//	  {"measurement":"cpu.idle","timestamp":1500000000,"tags":{"host":"h"},"fields":{"value":99.5}}]}
//
// without the white space. The router turns it into line protocol with %v and
// escapes nothing (lodastack/router, influx/influx.go, convLine). So a text
// contains its own quotes and escapes, and characters in tags that would need
// an escape become '-'.
type jsonFormat struct {
	keys []string
	text []byte // the last value in line protocol
}

const jsonEnd = "]}"

func (f *jsonFormat) begin(buf []byte, topic string) []byte {
	buf = append(buf, `{"database":`...)
	buf = appendJSONString(buf, topic)
	return append(buf, `,"retentionPolicy":"default","precision":"s","points":[`...)
}

func (f *jsonFormat) end(buf []byte) []byte { return append(buf, jsonEnd...) }

func (f *jsonFormat) tail() int { return len(jsonEnd) }

func (f *jsonFormat) point(buf []byte, m *agent.Metric, first bool) ([]byte, error) {
	if !first {
		buf = append(buf, ',')
	}
	buf = append(buf, `{"measurement":`...)
	buf = appendJSONString(buf, m.Name)
	buf = append(buf, `,"timestamp":`...)
	buf = strconv.AppendInt(buf, m.Timestamp, 10)

	buf = append(buf, `,"tags":{`...)
	f.keys = f.keys[:0]
	for key := range m.Tags {
		f.keys = append(f.keys, key)
	}
	slices.Sort(f.keys)
	for i, key := range f.keys {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendJSONString(buf, withoutSpecial(key))
		buf = append(buf, ':')
		buf = appendJSONString(buf, withoutSpecial(m.Tags[key]))
	}

	buf = append(buf, `},"fields":{"value":`...)
	switch v := m.Value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return buf, fmt.Errorf("encode point %s: JSON has no form for the value %v", m.Name, v)
		}
		buf = strconv.AppendFloat(buf, v, 'g', -1, 64)
	case bool:
		buf = strconv.AppendBool(buf, v)
	case string:
		f.text = lineproto.AppendText(f.text[:0], v)
		buf = appendJSONString(buf, f.text)
	default:
		return buf, fmt.Errorf("encode point %s: a value of type %T is not a float64, bool or string", m.Name, m.Value)
	}
	return append(buf, "}}"...), nil
}

// withoutSpecial returns a tag's key or value with '-' in place of the special
// characters of line protocol.
func withoutSpecial(s string) string {
	if !strings.ContainsAny(s, ",= ") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == ',' || r == '=' || r == ' ' {
			return '-'
		}
		return r
	}, s)
}

// appendJSONString appends s in quotes. Like encoding/json it replaces invalid
// UTF-8 by U+FFFD. Unlike it, it does not escape <, > and &.
func appendJSONString[T string | []byte](buf []byte, s T) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRune([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				buf = append(buf, s[start:i]...)
				buf = append(buf, `\ufffd`...)
				start = i + size
			}
			i += size
			continue
		}
		if b < ' ' || b == '"' || b == '\\' {
			buf = append(buf, s[start:i]...)
			if b < ' ' {
				buf = append(buf, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xf])
			} else {
				buf = append(buf, '\\', b)
			}
			start = i + 1
		}
		i++
	}
	buf = append(buf, s[start:]...)
	return append(buf, '"')
}
