package delivery

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/backoff"
)

const (
	// Pauses between two attempts while the output is down. Stored points must
	// be on their way within 2 s after it is up again.
	firstDrainPause, longestDrainPause = 50 * time.Millisecond, 500 * time.Millisecond
	// fewestPoints is the smallest limit of one write of the drainer. After
	// timeouts the limit is lower than mergePoints.
	fewestPoints = 10
)

// drainer delivers stored points, one write at a time, so that it does not
// delay new points. While the output is down, only the drainer retries.
type drainer[T any] struct {
	engine   *Engine[T]
	storage  *storage[T]
	limit    int // of points, of the next write
	timeouts int // in a row
	pause    backoff.Backoff
	failing  time.Time // start of the first of the failed writes
}

// drain delivers until ctx ends.
func (s *storage[T]) drain(ctx context.Context) {
	d := drainer[T]{engine: s.engine, storage: s, limit: mergePoints, pause: backoff.Backoff{First: firstDrainPause, Most: longestDrainPause}}
	for {
		select {
		case piece := <-s.pieces:
			d.deliverPiece(ctx, piece)
		case <-ctx.Done():
			return
		}
	}
}

// deliverPiece delivers a piece. If the output is down, the piece goes back to the
// store.
func (d *drainer[T]) deliverPiece(ctx context.Context, piece []Batch[T]) {
	rest, untouched := d.deliver(ctx, piece)
	for {
		if untouched {
			_ = d.storage.result(true, nil)
			return
		}
		if d.storage.result(false, rest) == nil {
			return
		}
		if ctx.Err() != nil {
			return // there is no room for the rest: close rewinds the store, and the whole piece is delivered again
		}
		d.wait(ctx)
		rest, _ = d.deliver(ctx, rest)
	}
}

// deliver delivers a piece and returns the rest of it: what the output did not
// take, because it is down or takes only other batches. untouched is true if
// that is the whole piece.
func (d *drainer[T]) deliver(ctx context.Context, piece []Batch[T]) (rest []Batch[T], untouched bool) {
	untouched = true
	work := byNamespace(piece)
	for len(work) > 0 && ctx.Err() == nil {
		group := cut(work, d.limit)
		points, err := d.attempt(group)
		work = advance(work, points)
		untouched = untouched && points == 0
		if err == nil {
			continue
		}
		again := !d.failing.IsZero()
		if !again {
			d.failing = time.Now()
		}
		d.wait(ctx)
		if !again || !d.engine.breaker.tookSince(d.failing) {
			break
		}
		// The other batches must not wait for this one.
		group = cut(work, d.limit)
		rest = append(rest, group...)
		work = advance(work, pointsOf(group))
		untouched = false
		d.failing = time.Time{}
	}
	return append(rest, work...), untouched
}

// attempt writes batches of one namespace together, or in parts if they are
// refused as a whole. It returns how many points, from the first on, are
// delivered or dropped, and the error of the next ones.
func (d *drainer[T]) attempt(group []Batch[T]) (points int, err error) {
	whole := mergeBatches(group)
	refusal, err := d.write(whole)
	if err != nil {
		return 0, err
	}
	n := len(whole.Points)
	dropped := 0
	if refusal != nil {
		dropped = refusal.of(n)
	}
	if dropped == n && len(group) > 1 { // one batch may be the reason for refusing all
		half := len(group) / 2
		if points, err = d.attempt(group[:half]); err != nil {
			return points, err
		}
		n, err := d.attempt(group[half:])
		return points + n, err
	}
	s := step{delivered: n - dropped, dropped: dropped}
	if dropped > 0 {
		s.reason, s.cause = refusal.Reason, refusal.Err
		d.engine.said.add(whole.Namespace, refusal, dropped)
	}
	d.storage.removed(n)
	d.engine.ledger.book(whole.Namespace, s)
	return n, nil
}

// write writes a batch to the output once. If err is set, it may be retried.
func (d *drainer[T]) write(b Batch[T]) (refusal *Refusal, err error) {
	ctx, cancel := context.WithTimeout(d.storage.writing, d.engine.timeout<<min(max(d.timeouts-2, 0), 3))
	defer cancel()
	started := time.Now()
	err = d.engine.output(ctx, b)
	refusal = asRefusal(err)
	if err != nil && refusal == nil {
		// If the output has just taken another batch, this batch is the
		// problem, not the output.
		if d.storage.writing.Err() == nil && !errors.Is(err, ErrHangs) && !d.engine.breaker.tookSince(started.Add(-trialEvery)) {
			d.engine.down(started, err)
		}
		if ctx.Err() != nil {
			d.timeouts++
			d.limit = max(d.limit/2, fewestPoints)
		}
		return nil, err
	}
	if refusal == nil {
		d.engine.up(started)
	}
	d.timeouts, d.failing = 0, time.Time{}
	d.pause.Reset()
	d.limit = min(2*d.limit, mergePoints)
	return refusal, nil
}

// wait pauses after a failure, until the pause or ctx ends or the output is up
// again.
func (d *drainer[T]) wait(ctx context.Context) {
	timer := time.NewTimer(d.pause.Next())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.storage.back:
	case <-ctx.Done():
	}
}

// byNamespace returns a copy of the list in which batches of one namespace are
// neighbours.
func byNamespace[T any](list []Batch[T]) []Batch[T] {
	rank := make(map[string]int)
	for _, b := range list {
		if _, known := rank[b.Namespace]; !known {
			rank[b.Namespace] = len(rank)
		}
	}
	list = slices.Clone(list)
	if len(rank) > 1 {
		slices.SortStableFunc(list, func(a, b Batch[T]) int { return rank[a.Namespace] - rank[b.Namespace] })
	}
	return list
}

// cut returns the first batches of the list that have one namespace, up to
// limit points together. It returns at least one batch, or the beginning of
// one.
func cut[T any](list []Batch[T], limit int) (group []Batch[T]) {
	first := list[0]
	if len(first.Points) > limit {
		return []Batch[T]{{first.Namespace, first.Points[:limit]}}
	}
	n, points := 0, 0
	for _, b := range list {
		if points += len(b.Points); b.Namespace != first.Namespace || points > limit {
			break
		}
		n++
	}
	return list[:n]
}

// advance removes that many points from the beginning of the list, which it
// changes.
func advance[T any](list []Batch[T], points int) []Batch[T] {
	for points > 0 {
		if n := len(list[0].Points); n <= points {
			list, points = list[1:], points-n
			continue
		}
		list[0].Points = list[0].Points[points:]
		points = 0
	}
	return list
}

func mergeBatches[T any](group []Batch[T]) Batch[T] {
	if len(group) == 1 {
		return group[0]
	}
	whole := Batch[T]{group[0].Namespace, make([]T, 0, pointsOf(group))}
	for _, b := range group {
		whole.Points = append(whole.Points, b.Points...)
	}
	return whole
}

func pointsOf[T any](list []Batch[T]) (points int) {
	for _, b := range list {
		points += len(b.Points)
	}
	return points
}
