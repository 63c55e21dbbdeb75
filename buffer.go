package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/backoff"
)

const (
	// writers is how many namespaces are written at a time, so that a slow
	// write of one does not hold up the others.
	writers = 4
	// writeTimeout bounds one attempt of a write. It leaves an output of
	// several servers the time to turn to another one.
	writeTimeout = 30 * time.Second
	// mergePoints is how many points of one namespace are written together
	// when they wait together.
	mergePoints = 1000
	// lastRests is the longest wait between two attempts once the agent stops.
	lastRests = 250 * time.Millisecond
)

// buffer stands between the producers, which never wait, and the output. It
// holds a bounded number of points, drops the oldest to make room, and tries
// each write again until it succeeds or is refused for good.
type buffer struct {
	output Output
	ledger *ledger
	logger *slog.Logger
	limit  int

	mu      sync.Mutex
	changed *sync.Cond           // something was added, written, or closed
	queue   []Batch              // guarded by mu; oldest first
	points  int                  // guarded by mu; in the queue and being written
	writing map[string]bool      // guarded by mu; namespaces with a writer
	closed  bool                 // guarded by mu; no writer waits for more
	closing chan struct{}        // closed with that
	refused map[string]time.Time // guarded by mu; when it was last said
	full    bool                 // guarded by mu; the last add had to drop, which was logged
	failing error                // guarded by mu; of the last write, nil when it succeeded
}

func newBuffer(output Output, ledger *ledger, limit int, logger *slog.Logger) *buffer {
	b := &buffer{output: output, ledger: ledger, logger: logger, limit: limit, writing: make(map[string]bool), closing: make(chan struct{}), refused: make(map[string]time.Time)}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// add takes responsibility for a batch. A batch larger than the whole buffer
// is still taken when nothing else waits.
func (b *buffer) add(batch Batch) {
	if len(batch.Metrics) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.accept(batch.Namespace, len(batch.Metrics))
	b.queue = append(b.queue, batch)
	b.points += len(batch.Metrics)
	full := false
	for b.points > b.limit && len(b.queue) > 1 {
		b.dropOldest(droppedBufferFull)
		full = true
	}
	if full && !b.full {
		b.logger.Warn("the buffer is full: the oldest points are dropped until the output takes points again",
			"points", b.points, "limit", b.limit)
	}
	b.full = full
	b.changed.Signal()
}

// dropOldest gives up the oldest batch of the queue. The caller holds mu.
func (b *buffer) dropOldest(reason string) {
	oldest := b.queue[0]
	b.queue[0] = Batch{}
	b.queue = b.queue[1:]
	b.points -= len(oldest.Metrics)
	b.ledger.drop(oldest.Namespace, reason, len(oldest.Metrics))
}

// run writes what is added until close is called and nothing waits, or ctx
// ends; then it drops what still waits.
func (b *buffer) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, b.close)
	defer stop()
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for batches := b.take(ctx); batches != nil; batches = b.take(ctx) {
				b.write(ctx, batches)
				b.release(batches[0].Namespace)
			}
		})
	}
	running.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.queue) > 0 {
		b.dropOldest(droppedShutdown)
	}
}

// close makes run return when nothing waits any more.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		close(b.closing)
	}
	b.closed = true
	b.changed.Broadcast()
}

// take waits for a namespace that has batches and no writer, and returns the
// oldest of them, or nil at the end. The caller is the namespace's writer until
// it calls release.
func (b *buffer) take(ctx context.Context) []Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.ready()
	for first < 0 && ctx.Err() == nil && (len(b.queue) > 0 || !b.closed) {
		b.changed.Wait()
		first = b.ready()
	}
	if first < 0 || ctx.Err() != nil {
		return nil
	}
	taken, points := []Batch{b.queue[first]}, len(b.queue[first].Metrics)
	rest := b.queue[:first]
	for _, batch := range b.queue[first+1:] {
		if batch.Namespace == taken[0].Namespace && points+len(batch.Metrics) <= mergePoints {
			taken = append(taken, batch)
			points += len(batch.Metrics)
			continue
		}
		rest = append(rest, batch)
	}
	clear(b.queue[len(rest):])
	b.queue = rest
	b.writing[taken[0].Namespace] = true
	return taken
}

// ready returns the position of the oldest batch of a namespace without a
// writer, or -1. The caller holds mu.
func (b *buffer) ready() int {
	return slices.IndexFunc(b.queue, func(batch Batch) bool { return !b.writing[batch.Namespace] })
}

// release ends being the namespace's writer.
func (b *buffer) release(namespace string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.writing, namespace)
	b.changed.Broadcast()
}

// write sees a namespace's batches through: delivered or dropped.
func (b *buffer) write(ctx context.Context, batches []Batch) {
	whole := merge(batches)
	wait := backoff.Backoff{First: 100 * time.Millisecond, Most: 5 * time.Second}
	for {
		err := b.attempt(ctx, whole)
		if err == nil {
			b.done(whole, len(whole.Metrics), "")
			return
		}
		if permanent := asPermanent(err); permanent != nil {
			refused := permanent.Refused(whole)
			if len(batches) > 1 && refused == len(whole.Metrics) { // one of them may be to blame for all
				for _, batch := range batches {
					b.write(ctx, []Batch{batch})
				}
				return
			}
			b.sayRefused(whole.Namespace, permanent, refused)
			b.done(whole, len(whole.Metrics)-refused, permanent.Reason)
			return
		}
		if !b.rest(ctx, wait.Next()) {
			b.done(whole, 0, droppedShutdown)
			return
		}
	}
}

// rest waits between two attempts, only for a moment once the agent stops; false
// when ctx has ended.
func (b *buffer) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-b.closing:
		return backoff.Pause(ctx, min(d, lastRests))
	}
}

// sayRefused logs why points are dropped: once an hour for a namespace and
// reason, as the same is usually true of all that follow.
func (b *buffer) sayRefused(namespace string, refusal *PermanentError, points int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	about := namespace + " " + refusal.Reason
	if last, said := b.refused[about]; said && time.Since(last) < time.Hour {
		return
	}
	b.refused[about] = time.Now()
	b.logger.Error("the output refused points for good: they are dropped, and others like them",
		"namespace", namespace, "points", points, "reason", refusal.Reason, "error", refusal)
}

// attempt writes once, and says in the log when writing begins or ceases to
// fail.
func (b *buffer) attempt(ctx context.Context, batch Batch) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := recovered(func() error { return b.output.Write(ctx, batch) })
	if asPermanent(err) != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && b.failing == nil:
		b.logger.Error("the output takes no points: they wait", "points", b.points, "error", err)
	case err == nil && b.failing != nil:
		b.logger.Info("the output takes points again")
	}
	b.failing = err
	return err
}

// done books a batch of which so many points are delivered; the others are
// dropped for the reason.
func (b *buffer) done(batch Batch, delivered int, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.points -= len(batch.Metrics)
	if delivered > 0 {
		b.ledger.deliver(batch.Namespace, delivered)
	}
	if dropped := len(batch.Metrics) - delivered; dropped > 0 {
		b.ledger.drop(batch.Namespace, reason, dropped)
	}
}

// failure returns the error of the last write, nil where it succeeded.
func (b *buffer) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failing
}

// merge makes one batch of several of one namespace.
func merge(batches []Batch) Batch {
	if len(batches) == 1 {
		return batches[0]
	}
	points := 0
	for _, batch := range batches {
		points += len(batch.Metrics)
	}
	whole := Batch{Namespace: batches[0].Namespace, Metrics: make([]Metric, 0, points)}
	for _, batch := range batches {
		whole.Metrics = append(whole.Metrics, batch.Metrics...)
	}
	return whole
}
