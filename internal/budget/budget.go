// Package budget bounds how much of one thing, such as memory, several users take
// together.
package budget

import "sync/atomic"

// Budget is an amount that is taken and given back. Its methods may be called
// concurrently.
type Budget struct{ left atomic.Int64 }

// New returns a budget of the total.
func New(total int64) *Budget {
	b := &Budget{}
	b.left.Store(total)
	return b
}

// TryTake takes n, unless less than that is left.
func (b *Budget) TryTake(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// Give gives back n of what was taken.
func (b *Budget) Give(n int64) { b.left.Add(n) }
