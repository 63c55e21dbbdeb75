package recent

import (
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of readers.
const (
	// MaxReaders is how many read at a time.
	MaxReaders = 64
	// MaxRate is the most points a second that a reader may ask for.
	MaxRate = 1000
	// queued is how many points wait for a reader.
	queued = 256
)

// Errors of [Memory.Read].
var (
	// ErrTooManyReaders means that MaxReaders read already.
	ErrTooManyReaders = errors.New("too many read the points that pass already")
	// ErrClosed means that no points pass any more.
	ErrClosed = errors.New("no points pass any more")
)

// readers are those who read what passes now. Its zero value has none.
type readers struct {
	count atomic.Int32

	mu     sync.Mutex
	list   []*Reader // guarded by mu
	closed bool      // guarded by mu
}

// any tells whether somebody reads, which costs next to nothing.
func (r *readers) any() bool { return r.count.Load() > 0 }

// Reader reads points as they pass. It is for one goroutine.
type Reader struct {
	filter Filter
	rate   int
	points chan Point
	left   atomic.Int64

	second int64 // guarded by readers.mu; the current one
	taken  int   // guarded by readers.mu; points in it

	readers *readers
}

// Read returns a reader of the points that the filter chooses, at most rate of
// them a second. Whoever has it must close it.
func (m *Memory) Read(filter Filter, rate int) (*Reader, error) {
	r := &Reader{filter: filter, rate: rate, points: make(chan Point, min(queued, rate)), readers: &m.readers}
	m.readers.mu.Lock()
	defer m.readers.mu.Unlock()
	if m.readers.closed {
		return nil, ErrClosed
	}
	if len(m.readers.list) >= MaxReaders {
		return nil, ErrTooManyReaders
	}
	m.readers.list = append(m.readers.list, r)
	m.readers.count.Add(1)
	return r, nil
}

// Points returns where the points come from. It is closed once no more come.
func (r *Reader) Points() <-chan Point { return r.points }

// LeftOut returns how many points the reader has missed since the last call: more
// passed than its rate, or than it has read.
func (r *Reader) LeftOut() int64 { return r.left.Swap(0) }

// Close ends all readers: no points pass any more.
func (m *Memory) Close() {
	m.readers.mu.Lock()
	defer m.readers.mu.Unlock()
	m.readers.closed = true
	m.readers.count.Store(0)
	for _, reader := range m.readers.list {
		close(reader.points)
	}
	m.readers.list = nil
}

// Close ends the reading.
func (r *Reader) Close() {
	r.readers.mu.Lock()
	defer r.readers.mu.Unlock()
	if i := slices.Index(r.readers.list, r); i >= 0 {
		r.readers.list = slices.Delete(r.readers.list, i, i+1)
		r.readers.count.Add(-1)
	}
}

// offer gives the points to all readers that want them and have room.
func (r *readers) offer(points iter.Seq[Point], now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range points {
		for _, reader := range r.list {
			if reader.filter.Matches(p.Namespace, p.Name) {
				reader.offer(p, now.Unix())
			}
		}
	}
}

// leftOut counts points that nobody looked at: each reader may have missed them.
func (r *readers) leftOut(n int) {
	if !r.any() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reader := range r.list {
		reader.left.Add(int64(n))
	}
}

// offer puts a point into the queue, where there is room.
func (r *Reader) offer(p Point, second int64) {
	if second != r.second {
		r.second, r.taken = second, 0
	}
	if r.taken < r.rate {
		select {
		case r.points <- p:
			r.taken++
			return
		default:
		}
	}
	r.left.Add(1)
}
