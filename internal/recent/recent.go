// Package recent remembers a little of what passed, so that a person can look at
// it: the last value of each series, an hour of the host's own measurements, and
// the points themselves for whoever reads them now.
//
//	Add ─────┬─► series    the last value of each series    ──► Points, Names
//	AddHost ─┤
//	         ├─► Readers   a bounded queue for each         ──► Take
//	         └─► history   an hour of each host measurement ──► History, HostValues
//
// The host's own measurements go to all of its namespaces alike, and are remembered
// once for all of them.
//
// It is bounded in series, bytes and time, whatever passes: what it leaves out is
// counted. It never waits for a reader.
package recent

import (
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Point is a point that passed. Its tags must not be changed.
type Point struct {
	Namespace, Name string
	Tags            map[string]string
	Value           any   // float64, bool or string
	Time            int64 // Unix seconds
}

// perTag is about what a tag takes in memory besides its text, in bytes: of short
// tags, much more than that.
const perTag = 48

// seriesSize returns about how many bytes the namespace, name and tags take.
func (p Point) seriesSize() int {
	size := len(p.Namespace) + len(p.Name) + perTag*len(p.Tags)
	for key, value := range p.Tags {
		size += len(key) + len(value)
	}
	return size
}

// key identifies the point's series. Two series have the same key once in 2^64,
// and the seed is secret: then they are taken for one.
func (p Point) key(seed maphash.Seed) uint64 {
	key := maphash.String(seed, p.Namespace)
	key = key*31 + maphash.String(seed, p.Name)
	for k, v := range p.Tags { // in any order: their sum is the same
		key += maphash.String(seed, k) * (maphash.String(seed, v) | 1)
	}
	return key
}

// size returns about how many bytes the point takes, with its value.
func (p Point) size() int {
	text, _ := p.Value.(string)
	return p.seriesSize() + len(text)
}

// clone returns a copy that shares no memory with the point. The strings of a
// posted point are parts of the post's whole body, which must not be kept.
func (p Point) clone() Point {
	p.Namespace, p.Name = strings.Clone(p.Namespace), strings.Clone(p.Name)
	tags := make(map[string]string, len(p.Tags))
	for key, value := range p.Tags {
		tags[strings.Clone(key)] = strings.Clone(value)
	}
	p.Tags = tags
	if text, ok := p.Value.(string); ok {
		p.Value = strings.Clone(text)
	}
	return p
}

// Memory remembers what passed. Its methods are safe for concurrent use.
type Memory struct {
	remembers bool
	seed      maphash.Seed // of the keys of series
	series    seriesTable
	host      hostNamespaces
	history   history
	readers   readers
	rate      rate
	leftOut   atomic.Int64
	now       func() time.Time
}

// New returns a memory that remembers nothing yet. With remembers false it never
// does, and only serves readers of what passes now.
func New(remembers bool) *Memory {
	return &Memory{remembers: remembers, seed: maphash.MakeSeed(), now: time.Now}
}

// Remembers reports whether the last values and the history are kept.
func (m *Memory) Remembers() bool { return m.remembers }

// Add takes n points of the agent's own producers.
func (m *Memory) Add(n int, points iter.Seq[Point]) {
	if n > 0 && (m.remembers || m.readers.any()) {
		m.look(points)
	}
}

// AddHost takes a round of one kind of the host's measurements, which is measured every
// interval and went to these namespaces. The points have none. The history has no values
// that are no numbers.
func (m *Memory) AddHost(interval time.Duration, namespaces []string, points iter.Seq[Point]) {
	now := m.now()
	if m.remembers {
		m.host.set(namespaces, now.Unix())
		m.history.add(interval, m.seed, points, now.Unix())
		m.leftOut.Add(m.series.add(m.seed, points, now) * int64(len(namespaces)))
	}
	if m.readers.any() {
		for _, namespace := range namespaces {
			m.readers.offer(in(namespace, points), now)
		}
	}
}

// AddPosted takes a post of n points of one namespace that another program has sent,
// whose names begin with prefix. Above LookedAt points a second it looks at some of
// the posts only.
func (m *Memory) AddPosted(namespace, prefix string, n int, points iter.Seq[Point]) {
	if n == 0 || !m.remembers && !m.readers.any() {
		return
	}
	if !m.rate.take(m.now(), n) {
		if m.remembers {
			m.leftOut.Add(int64(n))
		}
		m.readers.leftOut(namespace, prefix, n)
		return
	}
	m.look(points)
}

func (m *Memory) look(points iter.Seq[Point]) {
	if m.remembers {
		m.leftOut.Add(m.series.add(m.seed, points, m.now()))
	}
	if m.readers.any() {
		m.readers.offer(points, m.now())
	}
}

// LookedAt is how many posted points a second are looked at in a flood, and how many
// may come at once before there is one. To look at all of a flood would cost it some
// of its throughput, and this many already keep every value fresh.
const LookedAt = 10_000

// rate chooses posts such that LookedAt points a second are chosen, if more come.
type rate struct {
	mu       sync.Mutex
	spent    float64   // guarded by mu; points that were chosen and are not yet allowed for
	last     time.Time // guarded by mu; when spent was counted
	flooding bool      // guarded by mu; a post was left out, and spent was not 0 since
	limit    float64   // guarded by mu; of spent, in a flood
}

// take reports whether to look at a post of n points that comes now. In a flood the
// limit is another one after each post: posts that come in turn would else always
// meet the same answer.
func (r *rate) take(now time.Time, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent = max(r.spent-LookedAt*max(now.Sub(r.last), 0).Seconds(), 0)
	r.last = now
	if r.spent == 0 {
		r.flooding, r.limit = false, LookedAt
	}
	if r.spent >= r.limit {
		r.flooding = true
		return false
	}
	r.spent += float64(n)
	if r.flooding {
		r.limit = LookedAt * rand.Float64()
	}
	return true
}
