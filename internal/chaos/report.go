//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lodastack/agent"
)

// report is what was done and what was found.
type report struct {
	seed                  uint64
	noDisk                error
	lives, kills, damages int
	done                  map[string]int // how often

	took           time.Duration
	tally          tally
	taken, refused int64
	cut            int64
	slowest        time.Duration
	accounts       map[string]agent.Account
}

func newReport(seed uint64, noDisk error) *report {
	return &report{seed: seed, noDisk: noDisk, done: map[string]int{}}
}

// count counts by the word before the colon and what follows up to a number.
func (r *report) count(done string) {
	if strings.HasPrefix(done, "spool: ") {
		done = strings.Join(strings.Fields(done)[:2], " ")
	}
	r.done[done]++
}

func (r *report) finish(took time.Duration, t tally, p *posters, accounts map[string]agent.Account) {
	r.took, r.tally, r.accounts = took, t, accounts
	r.taken, r.refused, r.cut = p.taken.Load(), p.refused.Load(), p.cut.Load()
	r.slowest = time.Duration(p.slowest.Load())
}

// String is a table.
func (r *report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	row("seed", r.seed)
	row("lives of the agent", r.lives)
	for _, done := range slices.Sorted(maps.Keys(r.done)) {
		row("  "+done, r.done[done])
	}
	if r.noDisk != nil {
		row("  disk: full", fmt.Sprintf("not tried: %v", r.noDisk))
	}
	row("kills", r.kills)
	if r.accounts != nil {
		r.found(row)
	}
	_ = w.Flush()
	return b.String()
}

func (r *report) found(row func(string, any)) {
	row("took", r.took.Round(time.Millisecond))
	row("posts answered 200", r.taken)
	row("  503", r.refused)
	row("  not at all", r.cut)
	row("  slowest 200", r.slowest.Round(time.Millisecond))
	row("points posted", r.tally.posted)
	row("  acknowledged", r.tally.acknowledged)
	row("  arrived", r.tally.arrived)
	row("  arrived again", r.tally.duplicates)
	row("acknowledged and lost", r.tally.missing)
	accepted := int64(0)
	for _, namespace := range slices.Sorted(maps.Keys(r.accounts)) {
		account := r.accounts[namespace]
		row("account of "+namespace, fmt.Sprintf("%d accepted = %d delivered + %d waiting + dropped %v",
			account.Accepted, account.Delivered, account.Waiting, account.Dropped))
		if namespace != ownNamespace {
			accepted += account.Accepted
		}
	}
	row("acknowledged, and forgotten by the accounts", max(0, int64(r.tally.acknowledged)-accepted))
}
