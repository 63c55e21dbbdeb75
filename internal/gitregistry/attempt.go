package gitregistry

import (
	"time"

	"github.com/lodastack/agent/internal/backoff"
)

// Pauses between attempts to fetch one head. A head that is too large, or not signed, would
// be transferred at each update of each host otherwise.
const (
	firstPause   = time.Minute
	longestPause = 10 * time.Minute
)

// attempt is the last one, if it failed. Its zero value: it did not.
type attempt struct {
	commit string
	err    error
	pauses backoff.Backoff
	next   time.Time
}

// after fetches the commit, unless that failed a short time ago: then it returns the error
// of that time.
func (a *attempt) after(commit string, fetch func() error) error {
	if commit != a.commit {
		*a = attempt{commit: commit, pauses: backoff.Backoff{First: firstPause, Most: longestPause}}
	}
	if time.Now().Before(a.next) {
		return a.err // the same text, which is logged once
	}
	a.err = fetch()
	if a.err != nil {
		a.next = time.Now().Add(a.pauses.Next())
	}
	return a.err
}
