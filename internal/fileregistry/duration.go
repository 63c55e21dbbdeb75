package fileregistry

import (
	"fmt"
	"math"
	"time"
)

// duration is written as "90s" or "5m", or as a whole number of seconds. It is
// judged only when it is used, so that a wrong one costs its own item and not
// the file. Nil is the zero duration.
type duration any

// read returns the time that d stands for.
func read(d duration) (time.Duration, error) {
	switch v := d.(type) {
	case nil:
		return 0, nil
	case int64:
		if v >= math.MinInt32 && v <= math.MaxInt32 {
			return time.Duration(v) * time.Second, nil
		}
	case string:
		if parsed, err := time.ParseDuration(v); err == nil {
			return parsed, nil
		}
	}
	return 0, fmt.Errorf("%.80q is no time; write \"90s\", \"5m\" or a whole number of seconds", fmt.Sprint(d))
}
