// Package influxdb knows which names, values and timestamps InfluxDB can store, and how
// tags have to be changed so that it can store them.
package influxdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxSeriesBytes is the largest size of a measurement with its tags, in bytes,
	// escaped as in line protocol.
	MaxSeriesBytes = 65535
	// maxStringBytes is the largest size of a string field, in bytes.
	maxStringBytes = 65535
)

// IsSeconds reports whether t can be Unix seconds: ten digits, from 2001 to 2262. Later
// times do not fit into InfluxDB's nanoseconds. Milliseconds and finer units have more
// digits.
func IsSeconds(t int64) bool { return t >= 1e9 && t <= math.MaxInt64/int64(time.Second) }

// Errors of names. A plugin's output may have millions of bad names, so none makes its own.
var (
	errNoName  = errors.New("the name is empty")
	errBadName = errors.New("a name has only the characters 0-9 A-Z a-z . _ -")
)

// CheckName returns an error if name cannot be a measurement: it is empty, or has other
// characters than 0-9 A-Z a-z . _ -
func CheckName(name string) error {
	if name == "" {
		return errNoName
	}
	for i := range len(name) {
		if !inName(rune(name[i])) {
			return errBadName
		}
	}
	return nil
}

// CleanName replaces each character that a measurement cannot have by '_'. An empty name
// stays empty.
func CleanName(name string) string {
	return strings.Map(func(r rune) rune {
		if inName(r) {
			return r
		}
		return '_'
	}, name)
}

// inName reports whether a measurement can have the character.
func inName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// Value returns value in the form in which it is stored: float64, bool or string.
// Integers and floats become a float64, and invalid UTF-8 in a string becomes U+FFFD. A
// value of another type, one that is not finite, and a string of more than 65,535 bytes
// are errors.
func Value(value any) (any, error) {
	switch v := value.(type) {
	case float64:
		if err := checkFinite(v); err != nil {
			return nil, err
		}
		return value, nil // v would be allocated anew
	case bool:
		return value, nil
	case string:
		if !utf8.ValidString(v) {
			return Value(strings.ToValidUTF8(v, string(utf8.RuneError)))
		}
		if len(v) > maxStringBytes {
			return nil, fmt.Errorf("a value of %d bytes is too long; InfluxDB stores at most %d", len(v), maxStringBytes)
		}
		return value, nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the value %.40q is not a number that fits", v.String())
		}
		return finite(f)
	case nil:
		return nil, errors.New("the value is missing")
	}
	v := reflect.ValueOf(value)
	switch {
	case v.CanInt():
		return float64(v.Int()), nil
	case v.CanUint():
		return float64(v.Uint()), nil
	case v.CanFloat():
		return finite(v.Float())
	case v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case v.Kind() == reflect.String:
		return Value(v.String())
	}
	return nil, fmt.Errorf("a value of type %T is not a number, bool or string", value)
}

func finite(f float64) (any, error) {
	if err := checkFinite(f); err != nil {
		return nil, err
	}
	return f, nil
}

func checkFinite(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("the value %v cannot be stored", f)
	}
	return nil
}
