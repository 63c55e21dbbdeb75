package delivery

import (
	"cmp"
	"slices"
	"time"
)

const (
	// dropsNow is how long after its last dropped point a namespace counts as
	// dropping points now. It is longer than the usual intervals of collectors.
	dropsNow = 6 * time.Minute
	// dropsStill replaces dropsNow if no point of the namespace was delivered
	// since.
	dropsStill = time.Hour
)

// Drop describes points of a namespace that are being dropped now.
type Drop struct {
	Namespace, Reason string
	// Points dropped from Since to Last.
	Points      int64
	Since, Last time.Time
	// Err is the output's error for the last ones. It is nil if the engine or
	// the store dropped them.
	Err error
}

// now reports whether points are still being dropped. delivered is when points
// of the namespace were last delivered.
func (d *Drop) now(delivered, now time.Time) bool {
	age := now.Sub(d.Last)
	return age < dropsNow || age < dropsStill && !delivered.After(d.Last)
}

// noteDrop records a step that drops points. The ledger's lock is held.
func (b *balance) noteDrop(namespace string, s step, now time.Time) {
	if s.reason == DroppedShutdown {
		return // it does not concern this run
	}
	if b.drops == nil {
		b.drops = make(map[string]*Drop)
	}
	d := b.drops[s.reason]
	if d == nil || !d.now(b.delivered, now) {
		d = &Drop{Namespace: namespace, Reason: s.reason, Since: now}
		b.drops[s.reason] = d
	}
	d.Points += int64(s.dropped)
	d.Last, d.Err = now, s.cause
}

// drops returns what is being dropped now, sorted by namespace and reason.
func (l *ledger) drops(now time.Time) []Drop {
	var drops []Drop
	l.mu.Lock()
	for _, b := range l.accounts {
		for _, d := range b.drops {
			if d.now(b.delivered, now) {
				drops = append(drops, *d)
			}
		}
	}
	l.mu.Unlock()
	slices.SortFunc(drops, func(a, b Drop) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Reason, b.Reason))
	})
	return drops
}
