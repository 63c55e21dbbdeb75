// Package waitgroup waits for goroutines no longer than a context lasts.
package waitgroup

import (
	"context"
	"sync"
	"time"
)

// Wait returns when all goroutines of the group have ended, or with an error when
// ctx ends before that. The goroutine that waits then ends with the group.
func Wait(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select { // what has ended before ctx is not to blame
	case <-done:
		return nil
	case <-time.After(time.Millisecond):
		return ctx.Err()
	}
}
