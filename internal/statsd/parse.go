package statsd

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// kind is a type of metric.
type kind byte

const (
	counter kind = 'c'
	gauge   kind = 'g'
	timer   kind = 't' // and histograms and distributions: all are the same here
	set     kind = 's'
)

const (
	// maxName and maxTags bound the name of a metric and its tags, in bytes.
	maxName, maxTags = 512, 4096
	// leastRate is the lowest sample rate. A lower one is an error of the client.
	leastRate = 1e-6
)

// Errors of lines. None has the line in it, since there may be millions of bad ones.
var (
	errNoValue = errors.New("it has no value; the form is NAME:VALUE|TYPE")
	errNoType  = errors.New("it has no type; the form is NAME:VALUE|TYPE")
	errType    = errors.New("its type is none of c, g, ms, h, d and s")
	errName    = errors.New("its name is empty or longer than 512 bytes")
	errTags    = errors.New("its tags take more than 4096 bytes")
	errNumber  = errors.New("its value is not a finite number")
	errRate    = errors.New("its sample rate is not within 0.000001 and 1")
	errPacket  = errors.New("a packet has more than 65536 bytes, and the rest is cut")
	errSet     = errors.New("a set needs a value that is not empty")

	// errUnsupported is that of the events and service checks of DogStatsD, which are not
	// metrics.
	errUnsupported = errors.New("events and service checks are not supported")
)

// sample is a line. Its slices are parts of the line.
type sample struct {
	name, tags []byte // tags of the form key:value,key:value; name may have tags after a comma
	kind       kind
	values     []byte // of a set: its member; else numbers with colons between them
	rate       float64
}

// parse reads a line, but not yet the numbers in it.
func parse(line []byte) (s sample, err error) {
	if bytes.HasPrefix(line, []byte("_e{")) || bytes.HasPrefix(line, []byte("_sc|")) {
		return s, errUnsupported
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return s, errNoValue
	}
	name, rest := line[:colon], line[colon+1:]
	values, rest, found := bytes.Cut(rest, []byte{'|'})
	if !found {
		return s, errNoType
	}
	letters, rest, _ := bytes.Cut(rest, []byte{'|'})
	s = sample{name: name, kind: kindOf(letters), values: values, rate: 1}
	for len(rest) > 0 {
		var section []byte
		section, rest, _ = bytes.Cut(rest, []byte{'|'})
		switch {
		case len(section) == 0:
		case section[0] == '@':
			if s.rate, err = number(section[1:]); err != nil || s.rate < leastRate || s.rate > 1 {
				return s, errRate
			}
		case section[0] == '#':
			s.tags = section[1:]
		} // others tell about the client: its container, the time
	}
	return s, s.check()
}

// check returns an error for what parse has found, besides its numbers.
func (s sample) check() error {
	base, _, _ := bytes.Cut(s.name, []byte{','})
	switch {
	case len(base) == 0 || len(base) > maxName:
		return errName
	case len(s.name)-len(base)+len(s.tags) > maxTags:
		return errTags
	case s.kind == 0:
		return errType
	case s.kind == set && len(s.values) == 0:
		return errSet
	}
	return nil
}

// kindOf returns the kind of a line's type. Zero: there is none.
func kindOf(letters []byte) kind {
	switch string(letters) {
	case "c":
		return counter
	case "g":
		return gauge
	case "ms", "h", "d":
		return timer
	case "s":
		return set
	}
	return 0
}

// number reads a finite decimal number.
func number(text []byte) (float64, error) {
	if n, ok := digits(text); ok {
		return n, nil
	}
	for _, c := range text { // ParseFloat also reads names of infinities, and hexadecimal numbers
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, errNumber
		}
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(n, 0) {
		return 0, errNumber
	}
	return n, nil
}

// digits reads the numbers that most lines have, of a few digits, faster than ParseFloat.
func digits(text []byte) (n float64, ok bool) {
	if len(text) == 0 || len(text) > 9 {
		return 0, false
	}
	var sum int32
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		sum = sum*10 + int32(c-'0')
	}
	return float64(sum), true
}
