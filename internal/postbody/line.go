package postbody

import (
	"strings"
	"time"

	"github.com/lodastack/agent/internal/lineproto"
)

// ReadLines passes the values of line protocol, as [lineproto.Points] reads them, to add.
// unit is that of the timestamps; 0: any. It returns the first error, which may be add's.
func ReadLines(body string, unit time.Duration, add func(Point) error) error {
	return ReadEachLine(body, unit, func(i int, p Point, bad error) error {
		if bad != nil {
			return &PointError{Index: i, Name: p.Name, Err: bad}
		}
		return add(p)
	})
}

// ReadEachLine is ReadLines for a caller that goes on after a line that cannot be read: add gets
// the position of each value, and why it could not be read. It returns add's error.
func ReadEachLine(body string, unit time.Duration, add func(i int, p Point, bad error) error) error {
	i := 0
	for point, bad := range lineproto.Points([]byte(strings.TrimPrefix(body, byteOrderMark)), unit) {
		if err := add(i, Point(point), bad); err != nil {
			return err
		}
		i++
	}
	return nil
}
