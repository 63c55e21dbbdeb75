//go:build linux

package main

import (
	"sync"
	"time"
)

// requests counts the requests to a server, by second. Its zero value has none.
type requests struct {
	mu       sync.Mutex
	bySecond map[int64]int // guarded by mu
}

func (r *requests) add() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bySecond == nil {
		r.bySecond = make(map[int64]int)
	}
	r.bySecond[time.Now().Unix()]++
}

// count begins to count anew.
func (r *requests) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bySecond = nil
}

// counted returns the requests since count: all, and those of the busiest second.
func (r *requests) counted() (all, busiest int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.bySecond {
		all += n
		busiest = max(busiest, n)
	}
	return all, busiest
}
