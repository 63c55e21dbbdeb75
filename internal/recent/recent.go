// Package recent remembers a little of what passed, so that a person can look at
// it: the last value of each series, an hour of the host's own measurements, and
// the points themselves for whoever reads them now.
//
//	Add ──┬─► series    the last value of each series   ──► Points
//	      └─► Readers   a bounded queue for each         ──► Take
//	AddHost ─► history  an hour of each host measurement ──► History, HostValues
//
// It is bounded in series, bytes and time, whatever passes: what it leaves out is
// counted. It never waits for a reader.
package recent

import (
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
	series    seriesTable
	history   history
	readers   readers
	rate      rate
	leftOut   atomic.Int64
	now       func() time.Time
}

// New returns a memory that remembers nothing yet. With remembers false it never
// does, and only serves readers of what passes now.
func New(remembers bool) *Memory {
	return &Memory{remembers: remembers, now: time.Now}
}

// Remembers tells whether the last values and the history are kept.
func (m *Memory) Remembers() bool { return m.remembers }

// Add takes n points of the agent's own producers.
func (m *Memory) Add(n int, points iter.Seq[Point]) {
	if n > 0 && (m.remembers || m.readers.any()) {
		m.look(points)
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
		m.leftOut.Add(m.series.add(points, m.now()))
	}
	if m.readers.any() {
		m.readers.offer(points, m.now())
	}
}

// LookedAt is how many posted points a second are looked at, about. To look at
// all of a flood would cost the flood some of its throughput.
const LookedAt = 50_000

// rate chooses posts, at random so that none is always left out, such that about
// LookedAt points a second are chosen.
type rate struct {
	mu     sync.Mutex
	second int64 // guarded by mu; the current one
	points int   // guarded by mu; that came in it
	before int   // guarded by mu; that came in the second before
}

// take tells whether to look at a post of n points that comes now.
func (r *rate) take(now time.Time, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if second := now.Unix(); second != r.second {
		r.before = r.points
		if second != r.second+1 {
			r.before = 0
		}
		r.second, r.points = second, 0
	}
	r.points += n
	expected := max(r.before, r.points)
	return expected <= LookedAt || rand.IntN(expected) < LookedAt
}
