package agent

import (
	"time"

	"github.com/lodastack/agent/internal/delivery"
)

// Account is a balance of points. At all times
//
//	Accepted = Delivered + Waiting + the sum of Dropped
//
// Accepted, Delivered and Dropped never decrease.
type Account struct {
	// Accepted points are those the agent took responsibility for.
	Accepted int64 `json:"accepted"`
	// Delivered points were acknowledged by the receiver.
	Delivered int64 `json:"delivered"`
	// Waiting points are in memory or on disk, still to be delivered.
	Waiting int64 `json:"waiting"`
	// Dropped points are lost, counted by reason.
	Dropped map[string]int64 `json:"dropped,omitempty"`
}

// newDelivery makes the engine that delivers the points to the output. It calls claim before
// it reads the saved accounts.
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

// oldestWaiting returns when the oldest point arrived that waits in memory or on disk. Zero: none
// waits. disk is nil if nothing is on disk.
func (a *Agent) oldestWaiting(disk *DiskDetails) time.Time {
	oldest := a.delivery.Oldest()
	if disk != nil && (oldest.IsZero() || !disk.Oldest.IsZero() && disk.Oldest.Before(oldest)) {
		return disk.Oldest
	}
	return oldest
}

// outputDetails returns what the output and the store report, and which of them hangs.
func (a *Agent) outputDetails() OutputDetails {
	details := a.output.inspect()
	if a.store == nil {
		return details
	}
	a.store.inspect(&details)
	if since := a.delivery.StoreHangsSince(); !since.IsZero() {
		details.Problems = append(details.Problems, "the store has not returned since "+since.Format(time.RFC3339)+": check the disk that it writes to; meanwhile points wait in memory")
	}
	return details
}
