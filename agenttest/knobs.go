package agenttest

import (
	"context"
	"sync"
	"time"
)

// Knobs make calls of a fake fail. They may be set at any time. All but Heal
// affect only calls that begin later. With the zero value every call succeeds.
type Knobs struct {
	mu       sync.Mutex
	err      error         // guarded by mu, as all below
	failures int           // how many more calls fail; negative: all
	panic    any           // nil: no panic
	delay    time.Duration // before each call
	hanging  chan struct{} // closed by Heal; nil: calls do not hang
	deaf     bool          // hanging calls ignore their context
}

// Fail makes each call return err, or nil again.
func (k *Knobs) Fail(err error) { k.FailTimes(-1, err) }

// FailTimes makes the next n calls return err.
func (k *Knobs) FailTimes(n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failures, k.err = n, err
}

// Panic makes each call panic with value. A nil value ends that.
func (k *Knobs) Panic(value any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.panic = value
}

// Slow makes each call take d longer, but no longer than its context.
func (k *Knobs) Slow(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delay = d
}

// Hang makes each call wait until its context ends, or Heal is called.
func (k *Knobs) Hang() { k.hang(false) }

// HangForever makes each call wait until Heal is called, even if its context
// ends.
func (k *Knobs) HangForever() { k.hang(true) }

func (k *Knobs) hang(deaf bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.hanging == nil {
		k.hanging = make(chan struct{})
	}
	k.deaf = deaf
}

// Heal resets all knobs and lets hanging calls continue.
func (k *Knobs) Heal() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.hanging != nil {
		close(k.hanging)
	}
	k.err, k.failures, k.panic, k.delay, k.hanging, k.deaf = nil, 0, nil, 0, nil, false
}

// obey applies the knobs to a call. If it returns an error, the call fails with
// it.
func (k *Knobs) obey(ctx context.Context) error {
	value, delay, hanging, deaf, err := k.read()
	if value != nil {
		panic(value)
	}
	ended := ctx.Done()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ended:
		}
	}
	if hanging != nil {
		if deaf {
			ended = nil
		}
		select {
		case <-hanging:
		case <-ended:
		}
	}
	if err != nil {
		return err
	}
	return ctx.Err()
}

// read returns the knobs for one call.
func (k *Knobs) read() (value any, delay time.Duration, hanging chan struct{}, deaf bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failures != 0 {
		err = k.err
		if k.failures > 0 {
			k.failures--
		}
	}
	return k.panic, k.delay, k.hanging, k.deaf, err
}

// hangsForever reports whether calls ignore their context.
func (k *Knobs) hangsForever() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hanging != nil && k.deaf
}
