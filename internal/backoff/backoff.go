// Package backoff spaces the retries of something that fails.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before each retry. The wait doubles with every failure.
// It is random, between half of its value and the whole, so that a fleet that lost a
// server does not come back in step.
//
// The zero value does not wait. A Backoff is not safe for concurrent use.
type Backoff struct {
	// First is the longest wait after the first failure, Most after any failure.
	First, Most time.Duration

	failures int
}

// Next counts one more failure and returns how long to wait for the retry.
func (b *Backoff) Next() time.Duration {
	wait := b.Most
	if b.failures < 30 && b.First < b.Most>>b.failures {
		wait = b.First << b.failures
	}
	b.failures++
	return wait/2 + rand.N(wait/2+1)
}

// Reset forgets the failures.
func (b *Backoff) Reset() { b.failures = 0 }

// ToSecond returns d, lengthened or shortened by up to half a second, so that a pause of
// it ends with a second of the clock. Hundreds of goroutines that pause so wake together:
// waking the process costs more than what each of them does.
func ToSecond(d time.Duration) time.Duration {
	end := time.Now().Add(d)
	return d + end.Round(time.Second).Sub(end)
}

// Pause waits for d. It returns false as soon as ctx ends, or if it has ended before.
func Pause(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
