package delivery

import (
	"log/slog"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
)

// Refusal is the error for points that the output will never take.
// [Engine.Write] returns one if its points were refused. If Points is smaller
// than the size of the batch, the other points are safe.
type Refusal struct {
	// Reason is the label in the counts of dropped points. It is not empty.
	Reason string
	// Points is how many are refused. Zero, from an output, means all.
	Points int
	// Indexes are the positions of the refused points in the batch, in
	// ascending order, if known.
	Indexes []int
	// Uncertain means that the batch was written together with others, and that
	// it is unknown whose points were refused. All of them count as accepted.
	Uncertain bool
	Err       error
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the output's error.
func (r *Refusal) Unwrap() error { return r.Err }

// of returns how many of n points are refused.
func (r *Refusal) of(n int) int {
	switch {
	case len(r.Indexes) > 0:
		return min(len(r.Indexes), n)
	case r.Points <= 0:
		return n
	}
	return min(r.Points, n)
}

// within returns the part of the refusal that concerns n points, from first on,
// of a batch of total points. It is nil if all of them are safe.
func (r *Refusal) within(first, n, total int) *Refusal {
	part := &Refusal{Reason: r.Reason, Err: r.Err}
	if len(r.Indexes) == 0 {
		part.Points, part.Uncertain = min(r.of(total), n), n < total
		return part
	}
	for _, index := range r.Indexes {
		if first <= index && index < first+n {
			part.Indexes = append(part.Indexes, index-first)
		}
	}
	if part.Points = len(part.Indexes); part.Points == 0 {
		return nil
	}
	return part
}

// refusalLog logs why points are dropped, at most once an hour for a namespace
// and reason, because the same usually applies to all that follow.
type refusalLog struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // by namespace and reason; guarded by mu
}

func (l *refusalLog) add(namespace string, refusal *Refusal, points int) {
	if l.isNew(namespace+" "+refusal.Reason, time.Now()) {
		l.log.Error("the output refused points: these, and others like them, are dropped",
			event.Attr(event.PointsRefused), "namespace", namespace, "points", points, "reason", refusal.Reason, "error", refusal)
	}
}

func (l *refusalLog) isNew(about string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, said := l.last[about]; said && now.Sub(last) < time.Hour {
		return false
	}
	for other, last := range l.last {
		if now.Sub(last) >= time.Hour {
			delete(l.last, other)
		}
	}
	l.last[about] = now
	return true
}
