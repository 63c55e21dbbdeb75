package delivery

import (
	"sync"
	"time"
)

// trialEvery is how often new points are tried while the output is down. The
// drainer alone is not enough: it may be stuck with a batch that the output
// does not take.
const trialEvery = time.Second

// breaker records whether the output is up, so that not every write has to time
// out.
type breaker struct {
	mu      sync.Mutex
	cause   error     // why the output is down; nil: it is up; guarded by mu
	since   time.Time // when it went down; guarded by mu
	success time.Time // start of the latest write that succeeded; guarded by mu
	trial   time.Time // of the last trial; guarded by mu
}

// admits reports whether new points should be written now.
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

// succeeded records a success and reports whether the output was down until
// now.
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

// failed records a failure and reports whether the output was up until now. A
// failure is ignored if a later write has succeeded.
func (b *breaker) failed(started, now time.Time, cause error) (gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.success.After(started) {
		return false
	}
	gone = b.cause == nil
	if gone {
		b.trial, b.since = now, now
	}
	b.cause = cause
	return gone
}

// tookSince reports whether a write that began after t has succeeded.
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

// downSince returns when the output went down; zero: it is up.
func (b *breaker) downSince() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause == nil {
		return time.Time{}
	}
	return b.since
}
