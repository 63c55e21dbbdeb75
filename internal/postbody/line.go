package postbody

import (
	"strings"
	"time"

	"github.com/lodastack/agent/internal/lineproto"
)

// ReadLines passes the values of line protocol, as [lineproto.Points] reads them, to add.
// unit is that of the timestamps; 0: any. It returns the first error, which may be add's.
func ReadLines(body string, unit time.Duration, add func(Point) error) error {
	i := 0
	for point, err := range lineproto.Points([]byte(strings.TrimPrefix(body, byteOrderMark)), unit) {
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
