package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/event"
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

// PartlyRefusedError is the error of [Agent.Send] and [Agent.Post] if the output has refused
// some of the metrics for good. The others are safe and must not be posted again.
type PartlyRefusedError struct {
	// Points is the number of refused metrics. They are counted as dropped for Reason.
	Points int
	Reason string
	// Indexes are the positions of the refused metrics, if the output knows them.
	Indexes []int
	// Shared means that the metrics were written together with those of other posts,
	// and that it is unknown whose were refused. Points is then the largest possible
	// number.
	Shared bool
	Err    error
}

func (e *PartlyRefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the output's error.
func (e *PartlyRefusedError) Unwrap() error { return e.Err }

// asPostError returns the engine's error as Send and Post return it: a refusal of
// all metrics is the output's permanent error.
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

// outputPart is the output as the agent calls it.
type outputPart struct {
	output    Output
	inspector OutputInspector // nil: it tells nothing
	logger    *slog.Logger
	hanging   hanging
}

func newOutputPart(o Output, logger *slog.Logger) *outputPart {
	inspector, _ := o.(OutputInspector)
	return &outputPart{output: o, inspector: inspector, logger: logger}
}

// write writes a batch for the engine, to which a permanent error is a refusal.
func (p *outputPart) write(ctx context.Context, b delivery.Batch[Metric]) error {
	began := time.Now()
	err := recovered(func() error { return p.output.Write(ctx, Batch{b.Namespace, b.Points}) })
	if permanent := asPermanent(err); permanent != nil {
		return &delivery.Refusal{Reason: permanent.Reason, Points: permanent.Points, Indexes: permanent.Indexes, Err: err}
	}
	if err == nil && p.logger.Enabled(ctx, slog.LevelDebug) {
		p.logger.Debug("a batch was delivered", event.Attr(event.BatchDelivered), "namespace", b.Namespace, "points", len(b.Points), "took", time.Since(began))
	}
	return err
}

// inspect returns the output's details, or a problem if it does not return any.
func (p *outputPart) inspect() OutputDetails {
	if p.inspector == nil {
		return OutputDetails{}
	}
	details, err := ask(&p.hanging, p.inspector.InspectOutput)
	if err != nil {
		details.Problems = append(details.Problems, "the output does not report its state: "+err.Error())
	}
	return details
}

func (p *outputPart) close(ctx context.Context) error {
	return within(ctx, func() error { return p.output.Close(ctx) })
}

// storePart is the store as the engine and the status call it.
type storePart struct {
	store    Store
	hanging  hanging               // of Inspect
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
	stored, err := ask(&p.hanging, p.store.Inspect)
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
