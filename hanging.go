package agent

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/delivery"
)

// promptly bounds a call that has no context and should return at once.
const promptly = time.Second

var errHangs = fmt.Errorf("it has not returned within %s", promptly)

// promptCalls are calls that have no context and should return at once. While one hangs, no
// other is made, so callers do not wait or pile up.
type promptCalls struct{ hanging atomic.Int32 }

// call calls f and waits at most a second for it. f may go on after that, so it must not
// write to variables that the caller reads.
func (c *promptCalls) call(f func() error) error {
	if c.hanging.Load() > 0 {
		return errHangs
	}
	done := make(chan error, 1)
	go func() { done <- recovered(f) }()
	timer := time.NewTimer(promptly)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	c.hanging.Add(1)
	go func() {
		<-done
		c.hanging.Add(-1)
	}()
	return errHangs
}

// askPromptly returns the result of f, unless f panics or hangs.
func askPromptly[T any](c *promptCalls, f func() T) (answer T, err error) {
	answers := make(chan T, 1)
	if err := c.call(func() error { answers <- f(); return nil }); err != nil {
		return answer, err
	}
	return <-answers, nil
}

// hangingWrites are writes of the output that have not returned after their context had ended.
// The zero value has none.
type hangingWrites struct {
	mu    sync.Mutex
	began map[string][]time.Time // by namespace; guarded by mu
}

func (w *hangingWrites) add(namespace string, began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began == nil {
		w.began = make(map[string][]time.Time)
	}
	w.began[namespace] = append(w.began[namespace], began)
}

// remove removes a write that has returned at last.
func (w *hangingWrites) remove(namespace string, began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.began[namespace]
	i := slices.Index(left, began)
	if left = slices.Delete(left, i, i+1); len(left) == 0 {
		delete(w.began, namespace)
		return
	}
	w.began[namespace] = left
}

// of returns an error for the oldest write of the namespace, or nil if none hangs.
func (w *hangingWrites) of(namespace string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.began[namespace]) == 0 {
		return nil
	}
	return hangsError(namespace, earliest(w.began[namespace]))
}

// oldest returns an error for the oldest write, or nil if none hangs.
func (w *hangingWrites) oldest() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var oldest string
	for namespace, began := range w.began {
		if oldest == "" || earliest(began).Before(earliest(w.began[oldest])) {
			oldest = namespace
		}
	}
	if oldest == "" {
		return nil
	}
	return hangsError(oldest, earliest(w.began[oldest]))
}

func earliest(times []time.Time) time.Time { return slices.MinFunc(times, time.Time.Compare) }

func hangsError(namespace string, since time.Time) error {
	return fmt.Errorf("%w from a write to namespace %s that began at %s", delivery.ErrHangs, namespace, since.Format(time.RFC3339))
}
