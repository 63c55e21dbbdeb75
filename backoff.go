package agent

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces the attempts at something that fails: each wait is about
// twice the one before, and random, so that a fleet does not knock in step.
type backoff struct {
	first, most time.Duration
	failures    int
}

// next returns how long to wait after one more failure.
func (b *backoff) next() time.Duration {
	wait := b.most
	if b.failures < 30 {
		wait = min(b.first<<b.failures, b.most)
	}
	b.failures++
	return wait/2 + rand.N(wait/2+1)
}

// reset forgets the failures.
func (b *backoff) reset() { b.failures = 0 }

// pause waits for d; false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
