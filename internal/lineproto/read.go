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
	// Tags may be nil. Successive points with the same tags share the map.
	Tags map[string]string
	// Value is a float64, int64, uint64, bool or string.
	Value any
}

// Points yields the values of line protocol. The field "value" becomes a point with the
// measurement's name. Other fields become points MEASUREMENT.FIELD. A bad line yields an
// error, with a Point that has the measurement's name as far as it was read. The lines
// after it are read nevertheless.
//
// unit is the unit of timestamps. 0: a timestamp may be in seconds, milliseconds,
// microseconds or nanoseconds. For times from 2001 to 2262, the number of digits shows which;
// other timestamps are not changed.
//
// https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
func Points(text []byte, unit time.Duration) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		decoder := lineprotocol.NewDecoderWithBytes(text)
		line := readLine{unit: unit}
		for decoder.Next() {
			err := line.decode(decoder)
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

// readLine is the content of one line. The next line is read into it: what they have in
// common takes no new memory.
type readLine struct {
	measurement string
	tags        map[string]string
	written     []tag // the tags in their order
	fields      []field
	timestamp   int64
	unit        time.Duration // of timestamps; 0: any
}

type field struct {
	key   string
	value any
}

func (l *readLine) decode(decoder *lineprotocol.Decoder) error {
	measurement, err := decoder.Measurement()
	l.measurement = again(l.measurement, measurement)
	if err != nil {
		return err
	}
	if err := l.decodeTags(decoder); err != nil {
		return err
	}
	if err := l.decodeFields(decoder); err != nil {
		return err
	}
	// A time that does not fit into nanoseconds counts as none.
	stamp, err := decoder.Time(lineprotocol.Nanosecond, time.Time{})
	if err != nil {
		return err
	}
	l.timestamp = 0
	if !stamp.IsZero() {
		l.timestamp = seconds(stamp.UnixNano(), l.unit)
	}
	return nil
}

// decodeTags makes a new map unless the tags are those of the last line.
func (l *readLine) decodeTags(decoder *lineprotocol.Decoder) error {
	read, shared := 0, true
	for {
		key, value, err := decoder.NextTag()
		if err != nil {
			l.leaveTags(0)
			return err
		}
		if key == nil {
			break
		}
		if shared && read < len(l.written) && l.written[read] == (tag{string(key), string(value)}) {
			read++
			continue
		}
		if shared {
			shared = false
			l.leaveTags(read)
		}
		if _, twice := l.tags[string(key)]; twice {
			l.leaveTags(0)
			return fmt.Errorf("the tag %.100q occurs twice", key)
		}
		if l.tags == nil {
			l.tags = make(map[string]string)
		}
		l.written = append(l.written, tag{string(key), string(value)})
		l.tags[string(key)] = string(value)
	}
	if shared && read < len(l.written) {
		l.leaveTags(read)
	}
	return nil
}

// leaveTags leaves the map to the points that have it, and keeps the first n tags in a new
// one.
func (l *readLine) leaveTags(n int) {
	l.tags, l.written = nil, l.written[:n]
	for _, t := range l.written {
		if l.tags == nil {
			l.tags = make(map[string]string)
		}
		l.tags[t.key] = t.value
	}
}

func (l *readLine) decodeFields(decoder *lineprotocol.Decoder) error {
	before := l.fields
	l.fields = l.fields[:0]
	for {
		key, value, err := decoder.NextField()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		var name string
		if n := len(l.fields); n < len(before) {
			name = before[n].key
		}
		l.fields = append(l.fields, field{again(name, key), value.Interface()})
	}
	if len(l.fields) == 0 {
		return errors.New("the line has no field")
	}
	return nil
}

// again returns text as a string: the same one if it is equal to before.
func again(before string, text []byte) string {
	if before == string(text) {
		return before
	}
	return string(text)
}

// seconds returns a timestamp in seconds, 0 if it does not fit.
func seconds(t int64, unit time.Duration) int64 {
	switch {
	case unit == 0:
		return secondsOfAny(t)
	case unit <= time.Second:
		return t / int64(time.Second/unit)
	}
	n := int64(unit / time.Second)
	if t < -latest/n || t > latest/n {
		return 0
	}
	return t * n
}

// secondsOfAny returns a timestamp of any unit in seconds.
func secondsOfAny(t int64) int64 {
	for _, unit := range []int64{1e9, 1e6, 1e3} {
		if t >= 1e9*unit && (unit == 1e9 || t < 1e10*unit) {
			return t / unit
		}
	}
	return t
}
