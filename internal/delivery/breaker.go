package delivery

import (
	"sync"
	"time"
)

// trialEvery is how often one write of new points is tried while the output is
// down: the drainer may be stuck with a batch that the output does not take.
const trialEvery = time.Second

// breaker records whether the output is up, so that not every write has to
// time out.
type breaker struct {
	mu      sync.Mutex
	cause   error     // why the output is down, nil while it is up; guarded by mu
	success time.Time // when the newest batch that it took was begun; guarded by mu
	trial   time.Time // of the last trial; guarded by mu
}

// admits tells whether new points should be written now.
func (b *breaker) admits(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause == nil {
		return true
	}
	if now.Sub(b.trial) < trialEvery {
		return false
	}
	b.trial = now
	return true
}

// succeeded tells whether the output was down until now.
func (b *breaker) succeeded(started time.Time) (back bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if started.After(b.success) {
		b.success = started
	}
	if b.cause == nil {
		return false
	}
	b.cause = nil
	return true
}

// failed tells whether the output was up until now. A failure does not count
// where a later write has succeeded.
func (b *breaker) failed(started, now time.Time, cause error) (gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.success.After(started) {
		return false
	}
	gone = b.cause == nil
	if gone {
		b.trial = now
	}
	b.cause = cause
	return gone
}

// tookSince tells whether the output took a batch that was begun after t.
func (b *breaker) tookSince(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.success.After(t)
}

// down returns why the output is down; nil: it is up.
func (b *breaker) down() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}
