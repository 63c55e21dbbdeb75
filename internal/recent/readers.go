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
	// queued is how many points wait for a reader, and queuedBytes about what they
	// take. The largest point takes a little less, unless it has hundreds of tags.
	queued      = 256
	queuedBytes = 144 << 10
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

// any reports whether somebody reads, which costs next to nothing.
func (r *readers) any() bool { return r.count.Load() > 0 }

// Reader reads points as they pass. It is for one goroutine.
type Reader struct {
	filter Filter
	rate   int
	ready  chan struct{} // has something once there is news; closed by Memory.Close

	readers *readers
	queue   []Point // guarded by readers.mu
	bytes   int     // guarded by readers.mu; that the queue takes
	left    int64   // guarded by readers.mu
	second  int64   // guarded by readers.mu; the current one
	taken   int     // guarded by readers.mu; points in it
}

// Read returns a reader of the points that the filter chooses, at most rate of
// them a second. Whoever has it must close it.
func (m *Memory) Read(filter Filter, rate int) (*Reader, error) {
	r := &Reader{filter: filter, rate: rate, ready: make(chan struct{}, 1), readers: &m.readers}
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

// Ready returns a channel that has something once points wait or the first was left
// out since the last call of LeftOut, and is closed once no more come.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// Take returns the points that wait.
func (r *Reader) Take() []Point {
	r.readers.mu.Lock()
	defer r.readers.mu.Unlock()
	points := r.queue
	r.queue, r.bytes = nil, 0
	return points
}

// Missed reports whether LeftOut has something to return.
func (r *Reader) Missed() bool {
	r.readers.mu.Lock()
	defer r.readers.mu.Unlock()
	return r.left > 0
}

// LeftOut returns how many points the reader has missed since the last call: more
// passed than its rate, or than it has taken.
func (r *Reader) LeftOut() int64 {
	r.readers.mu.Lock()
	defer r.readers.mu.Unlock()
	left := r.left
	r.left = 0
	return left
}

// Close ends all readers: no points pass any more.
func (m *Memory) Close() {
	m.readers.mu.Lock()
	defer m.readers.mu.Unlock()
	m.readers.closed = true
	m.readers.count.Store(0)
	for _, reader := range m.readers.list {
		close(reader.ready)
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
		size, cloned := p.size(), false
		for _, reader := range r.list {
			switch {
			case !reader.filter.Matches(p.Namespace, p.Name):
			case !reader.hasRoom(size, now.Unix()):
				reader.miss(1)
			default:
				if !cloned { // once for all readers
					p, cloned = p.clone(), true
				}
				reader.put(p, size)
			}
		}
	}
}

// leftOut counts n points that nobody looked at. Their names begin with prefix. A
// reader that may have wanted them has missed them.
func (r *readers) leftOut(namespace, prefix string, n int) {
	if !r.any() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reader := range r.list {
		if reader.filter.mayMatch(namespace, prefix) {
			reader.miss(n)
		}
	}
}

// hasRoom reports whether the reader takes one more point of this size in this second.
// The caller holds readers.mu.
func (r *Reader) hasRoom(size int, second int64) bool {
	if second != r.second {
		r.second, r.taken = second, 0
	}
	return r.taken < r.rate && len(r.queue) < queued && r.bytes+size <= queuedBytes
}

// put puts a point of this size into the queue. The caller holds readers.mu.
func (r *Reader) put(p Point, size int) {
	r.queue = append(r.queue, p)
	r.bytes += size
	r.taken++
	r.wake()
}

// miss counts n points that the reader does not get. The caller holds readers.mu.
func (r *Reader) miss(n int) {
	if r.left == 0 {
		r.wake()
	}
	r.left += int64(n)
}

// wake tells the reader that there is news. The caller holds readers.mu.
func (r *Reader) wake() {
	select {
	case r.ready <- struct{}{}:
	default: // the reader knows already
	}
}
