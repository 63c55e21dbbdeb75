package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

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
func newDelivery(c config, claim func()) *delivery.Engine[Metric] {
	d := delivery.Config[Metric]{
		Output:     logged(outputPart(c.output), c.logger),
		BufferSize: c.bufferSize,
		Dir:        c.stateDir,
		Before:     claim,
		Logger:     c.logger,
	}
	if c.store != nil {
		d.Store = &storePart{c.store}
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

// outputPart returns the output as the engine calls it: a panic is an error,
// and a permanent error is a refusal.
func outputPart(output Output) func(context.Context, delivery.Batch[Metric]) error {
	return func(ctx context.Context, b delivery.Batch[Metric]) error {
		err := recovered(func() error { return output.Write(ctx, Batch{b.Namespace, b.Points}) })
		if permanent := asPermanent(err); permanent != nil {
			return &delivery.Refusal{Reason: permanent.Reason, Points: permanent.Points, Indexes: permanent.Indexes, Err: err}
		}
		return err
	}
}

// logged logs what write delivers, at DEBUG; it costs nothing where that is off.
func logged(write func(context.Context, delivery.Batch[Metric]) error, logger *slog.Logger) func(context.Context, delivery.Batch[Metric]) error {
	return func(ctx context.Context, b delivery.Batch[Metric]) error {
		if !logger.Enabled(ctx, slog.LevelDebug) {
			return write(ctx, b)
		}
		began := time.Now()
		err := write(ctx, b)
		if err == nil {
			logger.Debug("a batch was delivered", event(EventBatchDelivered), "namespace", b.Namespace, "points", len(b.Points), "took", time.Since(began))
		}
		return err
	}
}

// storePart is a store as the engine calls it: a panic is an error.
type storePart struct{ store Store }

var _ delivery.Store[Metric] = (*storePart)(nil)

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
	return recovered(func() error { return p.store.Close(ctx) })
}

func toBatches(list []delivery.Batch[Metric]) []Batch {
	batches := make([]Batch, len(list))
	for i, b := range list {
		batches[i] = Batch{b.Namespace, b.Points}
	}
	return batches
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
