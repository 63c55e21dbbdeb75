package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/audit"
)

const (
	// refusalsWritten is how many refusals of one caller the audit log has in full
	// within a refusalsWindow; the others are counted.
	refusalsWritten = 50
	refusalsWindow  = time.Minute
	// maxRefused bounds how many callers are told apart.
	maxRefused = 1000
)

// refusals keeps refused callers from filling the audit log with equal lines: its files are
// rotated, and other lines would be lost.
type refusals struct {
	mu      sync.Mutex
	callers map[refusedCaller]*refusalCount // guarded by mu
}

// refusedCaller is a caller without its port.
type refusedCaller struct{ who, from string }

// otherCallers stands for all beyond maxRefused.
var otherCallers = refusedCaller{who: "others", from: "elsewhere"}

// refusalCount counts refusals of a caller since the first of a window.
type refusalCount struct {
	since time.Time
	count int
}

// add counts a refusal, and reports whether to write its line to the audit log.
func (r *refusals) add(c refusedCaller, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.callers == nil {
		r.callers = make(map[refusedCaller]*refusalCount)
	}
	if r.callers[c] == nil && len(r.callers) >= maxRefused {
		c = otherCallers
	}
	if r.callers[c] == nil {
		r.callers[c] = &refusalCount{since: now}
	}
	r.callers[c].count++
	return r.callers[c].count <= refusalsWritten
}

// sums forgets the callers whose window is over. It returns a line for each of them whose
// refusals are not all in the log.
func (r *refusals) sums(now time.Time) (lines []audit.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c, counted := range r.callers {
		if age := now.Sub(counted.since); age >= 0 && age < refusalsWindow {
			continue
		}
		delete(r.callers, c)
		if more := counted.count - refusalsWritten; more > 0 {
			lines = append(lines, audit.Line{
				Who: c.who, From: c.from,
				What:   fmt.Sprintf("%d more requests since %s", more, counted.since.UTC().Format(time.RFC3339)),
				Result: fmt.Sprintf("refused, like the %d before them", refusalsWritten),
			})
		}
	}
	slices.SortFunc(lines, func(a, b audit.Line) int { return cmp.Or(cmp.Compare(a.Who, b.Who), cmp.Compare(a.From, b.From)) })
	return lines
}
