package lineproto

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// Point is one value of a line.
type Point struct {
	Name string
	// Timestamp in seconds; 0: the line has none.
	Timestamp int64
	// Tags may be nil. The points of a line share them.
	Tags map[string]string
	// Value is a float64, int64, uint64, bool or string.
	Value any
}

// Points yields the values of line protocol. The field "value" becomes a point with the
// measurement's name. Other fields become points MEASUREMENT.FIELD. A bad line yields an
// error, with a Point that has the measurement's name as far as it was read. The lines
// after it are read nevertheless.
//
// A timestamp may be in seconds, milliseconds, microseconds or nanoseconds. For times from
// 2001 to 2262, the number of digits shows which. Other timestamps are not changed.
//
// https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
func Points(text []byte) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		decoder := lineprotocol.NewDecoderWithBytes(text)
		for decoder.Next() {
			line, err := decodeLine(decoder)
			if err != nil {
				if !yield(Point{Name: line.measurement}, err) {
					return
				}
				continue
			}
			for _, field := range line.fields {
				name := line.measurement
				if field.key != "value" {
					name += "." + field.key
				}
				if !yield(Point{Name: name, Timestamp: line.timestamp, Tags: line.tags, Value: field.value}, nil) {
					return
				}
			}
		}
	}
}

// line is the content of one line.
type readLine struct {
	measurement string
	tags        map[string]string
	fields      []field
	timestamp   int64
}

type field struct {
	key   string
	value any
}

func decodeLine(decoder *lineprotocol.Decoder) (readLine, error) {
	var l readLine
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
			return l, fmt.Errorf("the tag %.100q occurs twice", key)
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
	// A time that does not fit into nanoseconds counts as none.
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
