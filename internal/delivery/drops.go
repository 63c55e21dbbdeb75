package delivery

import (
	"cmp"
	"slices"
	"time"
)

const (
	// dropsNow is how long after its last dropped points a namespace is said to
	// drop points now. It is longer than the usual intervals of collectors.
	dropsNow = 6 * time.Minute
	// dropsStill is the same where nothing of the namespace was delivered since.
	dropsStill = time.Hour
)

// Drop says that points of a namespace are dropped now, and why.
type Drop struct {
	Namespace, Reason string
	// Points dropped from Since to Last.
	Points      int64
	Since, Last time.Time
	// Err is what the output said of the last ones; nil where the engine or the
	// store dropped them.
	Err error
}

// now tells whether the drop goes on. delivered is when points of the namespace
// were delivered last.
func (d *Drop) now(delivered, now time.Time) bool {
	age := now.Sub(d.Last)
	return age < dropsNow || age < dropsStill && !delivered.After(d.Last)
}

// noteDrop notes a step that drops points. The ledger's lock is held.
func (b *balance) noteDrop(namespace string, s step, now time.Time) {
	if s.reason == DroppedShutdown {
		return // it is over
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

// drops returns what is dropped now, sorted by namespace and reason.
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
