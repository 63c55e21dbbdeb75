package nsqoutput

import (
	"fmt"

	"github.com/lodastack/agent"
)

// refusals counts the points of a batch that can never be written. The zero
// value has none.
type refusals struct {
	points int
	reason string
	first  error
}

func (r *refusals) add(points int, reason string, err error) {
	if r.points == 0 {
		r.reason, r.first = reason, err
	}
	r.points += points
}

// err returns what Write returns for a batch of that many points, of which
// those not refused have been written.
func (r *refusals) err(points int) error {
	if r.points == 0 {
		return nil
	}
	err := r.first
	if points > 1 {
		err = fmt.Errorf("%d of the batch's %d points are refused: %w", r.points, points, r.first)
	}
	return &agent.PermanentError{Reason: r.reason, Err: err}
}
