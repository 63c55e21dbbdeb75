package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lodastack/agent/internal/event"
)

// deliver writes entries of a lane to the output if live, else to the store. It
// returns those that stay in memory.
func (e *Engine[T]) deliver(l *lane[T], entries []*entry[T], live bool) (failed []*entry[T]) {
	entries = present(entries)
	if len(entries) == 0 {
		return nil
	}
	err := e.breaker.down()
	if live {
		err = e.write(l.writes, e.patience(entries), Batch[T]{l.namespace, merge(entries)})
		if err == nil {
			e.settle(l, entries, nil)
			return nil
		}
		if refusal := asRefusal(err); refusal != nil {
			return e.splitRefused(l, entries, refusal)
		}
	}
	if e.storage != nil {
		unstored := e.storage.put(l.laneKey, entries)
		if unstored == nil {
			e.forgetPoints(l, entries)
			finish(entries, nil)
			return nil
		}
		if err == nil { // the output has come back meanwhile
			err = unstored
		} else {
			err = fmt.Errorf("%w; output: %w", unstored, err)
		}
	}
	if l.waited {
		finish(entries, err)
		return nil
	}
	if l.writes.Err() != nil {
		e.forgetPoints(l, entries)
		e.ledger.book(l.namespace, step{dropped: count(entries), reason: DroppedShutdown})
		return nil
	}
	return entries
}

// splitRefused splits entries that were refused as a whole, until each is written
// alone, because one of them may be the reason for refusing all.
func (e *Engine[T]) splitRefused(l *lane[T], entries []*entry[T], refusal *Refusal) (failed []*entry[T]) {
	if len(entries) == 1 || refusal.of(count(entries)) < count(entries) {
		e.settle(l, entries, refusal)
		return nil
	}
	half := len(entries) / 2
	failed = e.deliver(l, entries[:half:half], true)
	return append(failed, e.deliver(l, entries[half:], true)...)
}

// settle books entries that the output has answered, and tells the waiting
// callers. If refusal is nil, all points are safe.
func (e *Engine[T]) settle(l *lane[T], entries []*entry[T], refusal *Refusal) {
	e.forgetPoints(l, entries)
	points := count(entries)
	if refusal == nil {
		e.ledger.book(l.namespace, step{accepted: l.accepts(points), delivered: points})
		finish(entries, nil)
		return
	}
	answers := make([]error, len(entries))
	dropped, turnedAway, first := refusal.of(points), 0, 0
	for i, n := range entries {
		if part := refusal.within(first, len(n.points), points); part != nil {
			answers[i] = part
			if l.waited && !part.Uncertain && part.Points == len(n.points) {
				turnedAway += part.Points // the caller is told that nothing was accepted
			}
		}
		first += len(n.points)
	}
	e.ledger.book(l.namespace, step{
		accepted:  l.accepts(points - turnedAway),
		delivered: points - dropped,
		dropped:   dropped - turnedAway,
		reason:    refusal.Reason,
		cause:     refusal.Err,
	})
	if dropped > turnedAway {
		e.said.add(l.namespace, refusal, dropped-turnedAway)
	}
	for i, n := range entries {
		n.finish(answers[i])
	}
}

// accepts returns how many of the points are accepted only now.
func (l *lane[T]) accepts(points int) int {
	if l.waited {
		return points
	}
	return 0
}

// write writes a batch to the output once. It records whether the output is up.
func (e *Engine[T]) write(ctx context.Context, timeout time.Duration, b Batch[T]) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	started := time.Now()
	err := e.output(limited, b)
	switch {
	case err == nil:
		e.up(started)
	case asRefusal(err) != nil: // a refusal may come without asking a server
	case errors.Is(err, ErrHangs):
	case ctx.Err() == nil:
		e.down(started, err)
	}
	return err
}

// patience returns the timeout of a write of the entries. A caller with a short
// deadline keeps half of it for the store.
func (e *Engine[T]) patience(entries []*entry[T]) time.Duration {
	timeout := e.timeout
	if e.storage != nil {
		for _, n := range entries {
			if !n.deadline.IsZero() {
				timeout = min(timeout, time.Until(n.deadline)/2)
			}
		}
	}
	return timeout
}

// up records that the output took a batch whose write began at started.
func (e *Engine[T]) up(started time.Time) {
	if !e.breaker.succeeded(started) {
		return
	}
	e.log.Info("the output is up again", event.Attr(event.OutputUp), "waiting", e.ledger.waiting())
	if e.storage != nil {
		e.storage.wake()
	}
}

// down records that the output failed.
func (e *Engine[T]) down(started time.Time, err error) {
	if !e.breaker.failed(started, time.Now(), err) {
		return
	}
	where := "in memory"
	if e.storage != nil {
		where = "on disk"
	}
	e.log.Warn("the output is down: points wait "+where, event.Attr(event.OutputDown), "error", err)
}

// forgetPoints subtracts entries from the number of points in the buffer.
func (e *Engine[T]) forgetPoints(l *lane[T], entries []*entry[T]) {
	if l.waited {
		return
	}
	e.mu.Lock()
	e.points -= count(entries)
	e.mu.Unlock()
}

func asRefusal(err error) *Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return nil
}

// present returns the entries without those whose caller has given up.
func present[T any](entries []*entry[T]) []*entry[T] {
	here := entries[:0]
	for _, n := range entries {
		if n.state.Load() != left {
			here = append(here, n)
		}
	}
	return here
}

func finish[T any](entries []*entry[T], err error) {
	for _, n := range entries {
		n.finish(err)
	}
}

// finish tells the waiting caller, if any.
func (n *entry[T]) finish(err error) {
	if n.done != nil {
		n.done <- err
	}
}

func count[T any](entries []*entry[T]) (points int) {
	for _, n := range entries {
		points += len(n.points)
	}
	return points
}

// merge returns the points of all entries.
func merge[T any](entries []*entry[T]) []T {
	if len(entries) == 1 {
		return entries[0].points
	}
	points := make([]T, 0, count(entries))
	for _, n := range entries {
		points = append(points, n.points...)
	}
	return points
}
