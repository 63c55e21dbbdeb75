package hostmetrics

import (
	"context"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
)

// firstGap is the time between the first two readings of a collector of rates.
// Two processors have a hundred ticks in that time, and the first points are
// still out within two seconds.
const firstGap = 500 * time.Millisecond

// rates is a collector whose points need two readings. Its first Collect takes
// both.
type rates struct {
	read  func() ([]agent.Metric, error)
	ready bool
}

func (r *rates) Collect(ctx context.Context) ([]agent.Metric, error) {
	if !r.ready {
		r.ready = true
		metrics, err := r.read()
		if !backoff.Pause(ctx, firstGap) {
			return metrics, err
		}
	}
	return r.read()
}

// stopwatch measures the time between readings.
type stopwatch struct{ last time.Time }

// lap returns the seconds since the last lap, or 0 at the first.
func (s *stopwatch) lap() float64 {
	now := time.Now()
	defer func() { s.last = now }()
	if s.last.IsZero() {
		return 0
	}
	return now.Sub(s.last).Seconds()
}
