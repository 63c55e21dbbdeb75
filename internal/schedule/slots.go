package schedule

import "context"

// Slots limits how many do something at a time: its capacity.
type Slots chan struct{}

// Take waits for a slot. It returns false when ctx ends first.
func (s Slots) Take(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// TryTake takes a slot if one is free.
func (s Slots) TryTake() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// Give returns a slot that was taken.
func (s Slots) Give() { <-s }
