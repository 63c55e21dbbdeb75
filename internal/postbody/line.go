package postbody

import (
	"strings"

	"github.com/lodastack/agent/internal/lineproto"
)

// ReadLines passes the values of line protocol, as [lineproto.Points] reads them, to add.
// It returns the first error, which may be add's.
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
