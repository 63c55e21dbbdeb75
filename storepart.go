package agent

import (
	"context"

	"github.com/lodastack/agent/internal/delivery"
)

// storePart is the store as the engine and the status call it.
type storePart struct {
	store   Store
	hanging hanging // Inspect; the engine bounds the other calls
}

var _ delivery.Store[Metric] = (*storePart)(nil)

// newStorePart returns nil where there is no store.
func newStorePart(s Store) *storePart {
	if s == nil {
		return nil
	}
	return &storePart{store: s}
}

func (p *storePart) Waiting() (points map[string]int64) {
	_ = recovered(func() error { points = p.store.Waiting(); return nil })
	return points
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
	return within(ctx, func() error { return p.store.Close(ctx) })
}

// inspect adds what the store tells, or that it does not, to an output's details.
func (p *storePart) inspect(details *OutputDetails) {
	stored, err := ask(&p.hanging, p.store.Inspect)
	if err != nil {
		details.Problems = append(details.Problems, "the store does not tell how it fares: "+err.Error())
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
