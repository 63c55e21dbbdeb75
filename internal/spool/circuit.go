package spool

import (
	"sync"
	"time"
)

// While the inner output is down, one live write in this time is still let
// through to it: the drainer may be waiting on a batch that only that
// output's slowest path would take.
const trialEvery = time.Second

// circuit remembers whether the inner output takes batches, so that not every
// write has to find out for itself.
type circuit struct {
	mu      sync.Mutex
	cause   error     // why it is down, nil while it is up; guarded by mu
	since   time.Time // when it went up or down; guarded by mu
	success time.Time // when the last batch that it took was begun; guarded by mu
	trial   time.Time // when a write was last let through while down; guarded by mu
}

// admits tells whether a live write should try the inner output.
func (c *circuit) admits(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		return true
	}
	if now.Sub(c.trial) < trialEvery {
		return false
	}
	c.trial = now
	return true
}

// succeeded tells whether the output was down until now.
func (c *circuit) succeeded(started time.Time) (back bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.success = started
	if c.cause == nil {
		return false
	}
	c.cause, c.since = nil, time.Now()
	return true
}

// failed tells whether the output was up until now. A write that failed while
// others succeeded speaks only for itself.
func (c *circuit) failed(started, now time.Time, cause error) (gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.success.After(started) {
		return false
	}
	gone = c.cause == nil
	if gone {
		c.since, c.trial = now, now
	}
	c.cause = cause
	return gone
}

// tookSince tells whether the output took a batch that was begun after t.
func (c *circuit) tookSince(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.success.After(t)
}

// state returns when the output went up or down, and why it is down.
func (c *circuit) state() (since time.Time, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.cause
}
