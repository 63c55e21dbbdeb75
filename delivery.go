package agent

import (
	"errors"

	"github.com/lodastack/agent/internal/delivery"
)

// Account is a balance of points. At all times
//
//	Accepted = Delivered + Waiting + the sum of Dropped
//
// Accepted, Delivered and Dropped never go back.
type Account struct {
	// Accepted points are those the agent took responsibility for.
	Accepted int64 `json:"accepted"`
	// Delivered points were acknowledged by whom they were sent to.
	Delivered int64 `json:"delivered"`
	// Waiting points are in memory or on disk, still to be delivered.
	Waiting int64 `json:"waiting"`
	// Dropped points are lost, counted by reason.
	Dropped map[string]int64 `json:"dropped,omitempty"`
}

// newDelivery makes the engine that takes the points to the output. It calls
// claim before it reads the saved accounts.
func newDelivery(c config, output *outputPart, store *storePart, claim func()) *delivery.Engine[Metric] {
	d := delivery.Config[Metric]{
		Output:     output.write,
		BufferSize: c.bufferSize,
		Dir:        c.stateDir,
		Before:     claim,
		Logger:     c.logger,

		ReturnTimeout: c.hangTimeout(),
	}
	if store != nil {
		d.Store = store
	}
	return delivery.New(d)
}

// accounts returns the balance of each namespace over all runs, and the sum of
// all.
func (a *Agent) accounts() (byNamespace map[string]Account, total Account) {
	accounts, sum := a.delivery.Accounts()
	byNamespace = make(map[string]Account, len(accounts))
	for namespace, account := range accounts {
		byNamespace[namespace] = Account(account)
	}
	return byNamespace, Account(sum)
}

// PartlyRefusedError is the error of [Agent.Post] where the output has refused a part
// of the metrics for good. The others are safe and must not be posted again.
type PartlyRefusedError struct {
	// Points is how many are refused. They are counted as dropped for Reason.
	Points int
	Reason string
	// Indexes are the positions of the refused metrics, where the output tells.
	Indexes []int
	// Shared says that the metrics were written together with those of other
	// posts, and that the output does not tell whose were refused: Points is
	// the most that can be of this one.
	Shared bool
	Err    error
}

func (e *PartlyRefusedError) Error() string { return e.Err.Error() }

// Unwrap returns what the output said.
func (e *PartlyRefusedError) Unwrap() error { return e.Err }

// asPostError returns the engine's error as Post returns it: a refusal of all
// metrics is the output's permanent error.
func asPostError(err error, metrics int) error {
	if errors.Is(err, delivery.ErrStopped) {
		return ErrStopped
	}
	var refusal *delivery.Refusal
	if !errors.As(err, &refusal) || refusal.Points == metrics && !refusal.Uncertain {
		return err
	}
	return &PartlyRefusedError{Points: refusal.Points, Reason: refusal.Reason, Indexes: refusal.Indexes, Shared: refusal.Uncertain, Err: refusal.Err}
}
