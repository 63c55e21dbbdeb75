package postbody

import (
	"strings"

	"github.com/lodastack/agent/internal/lineproto"
)

// ReadLines hands the values of line protocol to add, as [lineproto.Points] reads
// them, and returns the first error, be it add's.
func ReadLines(body string, add func(Point) error) error {
	i := 0
	for point, err := range lineproto.Points([]byte(strings.TrimPrefix(body, byteOrderMark))) {
		if err != nil {
			return &PointError{Index: i, Name: point.Name, Err: err}
		}
		if err := add(Point(point)); err != nil {
			return err
		}
		i++
	}
	return nil
}
