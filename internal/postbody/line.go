package postbody

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// ReadLines hands the values of line protocol to add, and returns the first
// error, be it add's. The field "value" becomes a point with the
// measurement's name; any other field's point is named MEASUREMENT.FIELD.
//
// A timestamp may be in seconds, milliseconds, microseconds or nanoseconds:
// for the times from 2001 to 2262 its digits tell which. Others are left as
// they are.
//
// https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
func ReadLines(body string, add func(Point) error) error {
	decoder := lineprotocol.NewDecoderWithBytes([]byte(strings.TrimPrefix(body, byteOrderMark)))
	for i := 0; decoder.Next(); {
		line, err := readLine(decoder)
		if err != nil {
			return &PointError{Index: i, Name: line.measurement, Err: err}
		}
		for _, field := range line.fields {
			name := line.measurement
			if field.key != "value" {
				name += "." + field.key
			}
			if err := add(Point{Name: name, Timestamp: line.timestamp, Tags: line.tags, Value: field.value}); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

// line is what one line says.
type line struct {
	measurement string
	tags        map[string]string
	fields      []field
	timestamp   int64
}

type field struct {
	key   string
	value any
}

func readLine(decoder *lineprotocol.Decoder) (line, error) {
	var l line
	measurement, err := decoder.Measurement()
	if err != nil {
		return l, err
	}
	l.measurement = string(measurement)
	for {
		key, value, err := decoder.NextTag()
		if err != nil {
			return l, err
		}
		if key == nil {
			break
		}
		if l.tags == nil {
			l.tags = make(map[string]string)
		}
		if _, twice := l.tags[string(key)]; twice {
			return l, fmt.Errorf("the tag %.100q is there twice", key)
		}
		l.tags[string(key)] = string(value)
	}
	for {
		key, value, err := decoder.NextField()
		if err != nil {
			return l, err
		}
		if key == nil {
			break
		}
		l.fields = append(l.fields, field{string(key), value.Interface()})
	}
	if len(l.fields) == 0 {
		return l, errors.New("the line has no field")
	}
	// Times beyond what a time.Time holds in nanoseconds are none here either.
	stamp, err := decoder.Time(lineprotocol.Nanosecond, time.Time{})
	if err != nil {
		return l, err
	}
	if !stamp.IsZero() {
		l.timestamp = seconds(stamp.UnixNano())
	}
	return l, nil
}

// seconds returns a timestamp of any unit in seconds.
func seconds(t int64) int64 {
	for _, unit := range []int64{1e9, 1e6, 1e3} {
		if t >= 1e9*unit && (unit == 1e9 || t < 1e10*unit) {
			return t / unit
		}
	}
	return t
}
