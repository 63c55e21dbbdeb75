package httpapi

import (
	"cmp"
	"maps"
	"sync"
)

// answerKey is an endpoint and a status code.
type answerKey struct {
	path string
	code int
}

func (k answerKey) compare(other answerKey) int {
	return cmp.Or(cmp.Compare(k.path, other.path), cmp.Compare(k.code, other.code))
}

// answerCounts counts the answers of the API. The zero value is ready for use.
type answerCounts struct {
	mu sync.Mutex
	by map[answerKey]int64 // guarded by mu
}

func (c *answerCounts) add(path string, code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[answerKey]int64)
	}
	c.by[answerKey{path, code}]++
}

// counts returns a copy of the counts.
func (c *answerCounts) counts() map[answerKey]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		return map[answerKey]int64{}
	}
	return maps.Clone(c.by)
}
