package delivery

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/event"
)

const (
	// Pauses between two attempts to write what stays in memory.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// lastPause is the longest one once the engine closes.
	lastPause = 250 * time.Millisecond
)

// laneKey identifies a lane. Batches with waiting callers have their own lane,
// so that retries of others do not delay them or make them fail.
type laneKey struct {
	namespace string
	waited    bool
}

// lane is a namespace's queue and its writer. While the writer is busy, new
// entries queue up and are written together next.
type lane[T any] struct {
	laneKey
	entries []*entry[T] // oldest first; guarded by Engine.mu
	// writes is the context of the lane's writes.
	writes context.Context
}

// entry is a batch in a lane.
type entry[T any] struct {
	points   []T
	number   uint64       // sequence number
	since    time.Time    // time of arrival
	deadline time.Time    // deadline of the waiting caller; zero: none
	state    atomic.Int32 // queued, claimed or left
	done     chan error   // gets the result; nil if no caller waits
}

// States of an entry. It is claimed when it is about to be stored, and left
// when its caller has given up. Only one of the two can happen.
const (
	queued = iota
	claimed
	left
)

// claim reports whether the entry may be stored.
func (n *entry[T]) claim() bool {
	return n.state.CompareAndSwap(queued, claimed) || n.state.Load() == claimed
}

// Add accepts a batch. It does not wait. To make room for the batch, the oldest
// batches in memory are dropped. A batch that is larger than the whole buffer
// is accepted if nothing else waits.
func (e *Engine[T]) Add(b Batch[T]) {
	if len(b.Points) == 0 {
		return
	}
	e.restore()
	e.ledger.book(b.Namespace, step{accepted: len(b.Points)})
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.ledger.book(b.Namespace, step{dropped: len(b.Points), reason: DroppedShutdown})
		return
	}
	e.points += len(b.Points)
	newest := &entry[T]{points: b.Points}
	e.enqueue(laneKey{b.Namespace, false}, newest)
	var dropped []Loss
	for e.points > e.limit {
		loss, ok := e.dropOldest(newest.number)
		if !ok {
			break
		}
		dropped = append(dropped, loss)
	}
	say, limit := len(dropped) > 0 && !e.full, e.limit
	e.full = len(dropped) > 0
	e.mu.Unlock()
	e.bookLosses(dropped)
	if say {
		e.log.Warn("the buffer is full: the oldest points are dropped until the output is up", event.Attr(event.BufferFull), "limit", limit)
	}
}

// Write returns nil once the batch is delivered or stored. A [*Refusal] means
// that the output refused all points, and none is accepted, or that it refused
// some. After any other error nothing is accepted, and the caller may retry. If
// ctx ends before the batch is being written, it is not delivered. If ctx ends
// while it is being written, it may be delivered.
func (e *Engine[T]) Write(ctx context.Context, b Batch[T]) error {
	if len(b.Points) == 0 {
		return nil
	}
	e.restore()
	n, _ := e.spare.Get().(*entry[T])
	if n == nil {
		n = &entry[T]{done: make(chan error, 1)}
	}
	n.points = b.Points
	n.deadline, _ = ctx.Deadline()
	n.state.Store(queued)
	e.mu.Lock()
	if e.refuses {
		e.mu.Unlock()
		return ErrStopped
	}
	e.enqueue(laneKey{b.Namespace, true}, n)
	e.mu.Unlock()
	select {
	case err := <-n.done: // the lane does not use n after that
		n.points = nil
		e.spare.Put(n)
		return err
	case <-ctx.Done():
		n.state.CompareAndSwap(queued, left)
		return context.Cause(ctx)
	}
}

// Oldest returns when the oldest batch in memory arrived, except for batches
// being written. Zero: none waits.
func (e *Engine[T]) Oldest() (oldest time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lanes {
		if len(l.entries) > 0 && (oldest.IsZero() || l.entries[0].since.Before(oldest)) {
			oldest = l.entries[0].since
		}
	}
	return oldest
}

// enqueue adds an entry to its lane, and starts a writer if there is none. The
// caller holds mu.
func (e *Engine[T]) enqueue(key laneKey, n *entry[T]) {
	e.entered++
	n.number, n.since = e.entered, time.Now()
	l := e.lanes[key]
	if l == nil {
		l = &lane[T]{laneKey: key, writes: e.ctx}
		writers := &e.writers[0]
		if key.waited {
			l.writes = e.waited
			writers = &e.writers[1]
		}
		e.lanes[key] = l
		writers.Go(func() { e.serve(l) })
	}
	l.entries = append(l.entries, n)
}

// dropOldest drops the oldest entry that has no waiting caller and is older
// than the one with this number. The caller holds mu and books the loss.
func (e *Engine[T]) dropOldest(before uint64) (Loss, bool) {
	var oldest *lane[T]
	for key, l := range e.lanes {
		if key.waited || len(l.entries) == 0 || l.entries[0].number >= before {
			continue
		}
		if oldest == nil || l.entries[0].number < oldest.entries[0].number {
			oldest = l
		}
	}
	if oldest == nil {
		return Loss{}, false
	}
	n := oldest.entries[0]
	oldest.entries[0] = nil
	oldest.entries = oldest.entries[1:]
	e.points -= len(n.points)
	return Loss{Namespace: oldest.namespace, Reason: DroppedBufferFull, Points: len(n.points)}, true
}

// dropQueued drops what is still queued at the end, when the output hangs.
func (e *Engine[T]) dropQueued() {
	var dropped []Loss
	e.mu.Lock()
	for loss, ok := e.dropOldest(e.entered + 1); ok; loss, ok = e.dropOldest(e.entered + 1) {
		loss.Reason = DroppedShutdown
		dropped = append(dropped, loss)
	}
	e.mu.Unlock()
	e.bookLosses(dropped)
}

func (e *Engine[T]) bookLosses(losses []Loss) {
	for _, loss := range losses {
		e.ledger.book(loss.Namespace, step{dropped: loss.Points, reason: loss.Reason})
	}
}

// serve is the lane's writer. It ends, and removes the lane, when the queue is
// empty.
func (e *Engine[T]) serve(l *lane[T]) {
	pause := backoff.Backoff{First: firstPause, Most: longestPause}
	for {
		live, limit := e.admits(), mergePoints
		if !live {
			limit = storePoints
		}
		entries := e.take(l, limit)
		if len(entries) == 0 {
			return
		}
		failed := e.deliver(l, entries, live)
		if len(failed) == 0 {
			pause.Reset()
			continue
		}
		e.giveBack(l, failed)
		e.rest(l.writes, pause.Next())
	}
}

// admits reports whether new points should be written now and not stored.
func (e *Engine[T]) admits() bool {
	return e.storage == nil || e.breaker.admits(time.Now()) || e.storage.empty()
}

// take returns the oldest entries of the lane, with at most limit points
// together, but at least one entry. If the queue is empty, it removes the lane.
func (e *Engine[T]) take(l *lane[T], limit int) []*entry[T] {
	e.mu.Lock()
	defer e.mu.Unlock()
	count, points := 0, 0
	for _, n := range l.entries {
		if count > 0 && points+len(n.points) > limit {
			break
		}
		count++
		points += len(n.points)
	}
	if count == 0 {
		delete(e.lanes, l.laneKey)
		return nil
	}
	taken := l.entries[:count:count]
	if l.entries = l.entries[count:]; len(l.entries) == 0 {
		l.entries = nil
	}
	return taken
}

// giveBack puts entries that stay in memory back at the front.
func (e *Engine[T]) giveBack(l *lane[T], entries []*entry[T]) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.entries = append(entries, l.entries...)
}

// rest pauses between two attempts. Once the engine closes, the pause is short.
func (e *Engine[T]) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-e.closing:
		backoff.Pause(ctx, min(d, lastPause))
	}
}
