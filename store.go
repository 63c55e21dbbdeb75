package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/delivery"
)

// Store keeps batches, usually on disk, while the output is down. See [WithStore].
//
// It is a queue in which reading does not remove anything: [Store.Next] returns the next
// batches, [Store.Done] removes the oldest that were read, and [Store.Rewind] goes back to
// the oldest that were not removed. The agent calls one method at a time, except for Inspect,
// which it calls at any time. Neither side may change batches that were passed or returned.
type Store interface {
	// Waiting returns how many points of each namespace the store has, including those
	// that Losses has not returned yet. An agent calls it once, before anything else.
	// If it does not return within a second, the agent continues without the store.
	Waiting() map[string]int64
	// Put returns nil once all batches are kept: from then on they survive a
	// kill and power loss. After an error none is kept. To make room, the store
	// may drop its oldest batches; see Losses. It returns soon after ctx has
	// ended, if it can.
	Put(ctx context.Context, batches []Batch) error
	// Next returns the oldest batches that it has not returned since the store
	// was opened or rewound: a few, up to some thousand points, and none if
	// there are no others. They are kept until Done. An error says that they
	// cannot be read now; the agent tries again.
	Next(ctx context.Context) ([]Batch, error)
	// Done removes the batches of the oldest Next for which there was no Done,
	// and puts rest, which is what of them the output has not taken, behind all
	// others. After an error nothing has changed.
	Done(ctx context.Context, rest []Batch) error
	// Rewind makes Next start again with the oldest batches that are kept.
	Rewind()
	// Losses returns the points that the store has dropped or lost since the
	// last call. Points that Next has returned are not among them before the next
	// Rewind: until then they may be delivered.
	Losses() []Loss
	// Inspect returns the store's state. It does not wait for the disk.
	Inspect() StoreDetails
	// Close ends the store. It returns when ctx ends, at the latest. The batches stay
	// for the next opening. It may be called more than once. After it, Put returns an
	// error.
	Close(ctx context.Context) error
}

// Loss is a number of points that a [Store] has dropped or lost.
type Loss struct {
	Namespace string
	// Reason is a word for the count of dropped points, such as "spool_full".
	Reason string
	Points int
}

// StoreDetails is the state that a [Store] reports.
type StoreDetails struct {
	DiskDetails
	// Problems has a sentence for each thing that a person should look at.
	Problems []string
}

// DiskDetails tells about points on disk.
type DiskDetails struct {
	Points int64 `json:"points"`
	Bytes  int64 `json:"bytes"`
	Files  int   `json:"files"`
	// Limit bounds Bytes; zero: nothing does.
	Limit int64 `json:"limit,omitempty"`
	// Oldest is about the time of the oldest point.
	Oldest time.Time `json:"oldest,omitzero"`
}

// storePart is the store as the engine and the status call it.
type storePart struct {
	store    Store
	inspects promptCalls
	unusable atomic.Pointer[error] // of Waiting: the store is not used
}

var _ delivery.Store[Metric] = (*storePart)(nil)

// newStorePart returns nil if there is no store.
func newStorePart(s Store) *storePart {
	if s == nil {
		return nil
	}
	return &storePart{store: s}
}

func (p *storePart) Waiting(ctx context.Context) (map[string]int64, error) {
	answer := make(chan map[string]int64, 1) // it may answer later
	err := within(ctx, func() error { answer <- p.store.Waiting(); return nil })
	if err != nil {
		p.unusable.Store(&err)
		return nil, err
	}
	return <-answer, nil
}

func (p *storePart) Put(ctx context.Context, batches []delivery.Batch[Metric]) error {
	return recovered(func() error { return p.store.Put(ctx, toBatches(batches)) })
}

func (p *storePart) Next(ctx context.Context) (batches []delivery.Batch[Metric], err error) {
	err = recovered(func() error {
		list, err := p.store.Next(ctx)
		for _, b := range list {
			batches = append(batches, delivery.Batch[Metric]{Namespace: b.Namespace, Points: b.Metrics})
		}
		return err
	})
	return batches, err
}

func (p *storePart) Done(ctx context.Context, rest []delivery.Batch[Metric]) error {
	return recovered(func() error { return p.store.Done(ctx, toBatches(rest)) })
}

func (p *storePart) Rewind() {
	_ = recovered(func() error { p.store.Rewind(); return nil })
}

func (p *storePart) Losses() (losses []delivery.Loss) {
	_ = recovered(func() error {
		for _, loss := range p.store.Losses() {
			losses = append(losses, delivery.Loss(loss))
		}
		return nil
	})
	return losses
}

func (p *storePart) Close(ctx context.Context) error {
	return recovered(func() error { return p.store.Close(ctx) })
}

// inspect adds the store's details to the output's, or a problem if it does not return any.
func (p *storePart) inspect(details *OutputDetails) {
	if err := p.unusable.Load(); err != nil {
		details.Problems = append(details.Problems, "the store is not used until the next start, because it does not say what it keeps: "+(*err).Error())
		return
	}
	stored, err := askPromptly(&p.inspects, p.store.Inspect)
	if err != nil {
		details.Problems = append(details.Problems, "the store does not report its state: "+err.Error())
		return
	}
	details.Disk = &stored.DiskDetails
	details.Problems = append(details.Problems, stored.Problems...)
}

func toBatches(list []delivery.Batch[Metric]) []Batch {
	batches := make([]Batch, len(list))
	for i, b := range list {
		batches[i] = Batch{b.Namespace, b.Points}
	}
	return batches
}
