// Package lineproto writes points as InfluxDB line protocol: one line a
// point, tags sorted by key, a single field "value", timestamps in seconds.
//
// https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
package lineproto

import (
	"fmt"
	"slices"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// Encoder encodes points one after the other. The zero value is ready for
// use; it is not safe for concurrent use.
type Encoder struct {
	enc  lineprotocol.Encoder
	keys []string
}

// AppendPoint appends one point, newline included, to buf and returns the
// extended buffer. value is a float64, a bool or a string. A point that line
// protocol has no form for leaves buf as it was.
func (e *Encoder) AppendPoint(buf []byte, name string, tags map[string]string, value any, seconds int64) ([]byte, error) {
	v, ok := lineprotocol.NewValue(value)
	if !ok {
		return buf, fmt.Errorf("encode point %s: value %v has no form in line protocol", name, value)
	}
	e.keys = e.keys[:0]
	for key := range tags {
		e.keys = append(e.keys, key)
	}
	slices.Sort(e.keys)

	e.enc.SetBuffer(buf)
	e.enc.SetPrecision(lineprotocol.Second)
	e.enc.StartLine(name)
	for _, key := range e.keys {
		e.enc.AddTag(key, tags[key])
	}
	e.enc.AddField("value", v)
	e.enc.EndLine(time.Unix(seconds, 0))
	if err := e.enc.Err(); err != nil {
		return buf, fmt.Errorf("encode point %s: %w", name, err)
	}
	return e.enc.Bytes(), nil
}
