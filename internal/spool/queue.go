package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A segment is sealed once it is this large. Both segments that can be mapped
// at a time, the one that is written and the one that is drained, count as
// memory of the process: they must be small.
const maxSegmentSize = 4 << 20

// queue is the backlog on disk: a list of segments of which the last may be
// written and the first is drained.
type queue struct {
	dir         string
	maxSize     int64
	maxAge      time.Duration
	segmentSize int64
	ledger      *ledger
	log         *slog.Logger
	// filled holds a token once something was appended.
	filled chan struct{}
	// memory of the last transaction's blocks, for the next: the committer's.
	memory []byte

	mu       sync.Mutex
	written  *sync.Cond // writing has become false
	segments []*segment // oldest first; guarded by mu, as are their figures
	active   *segment   // the last of segments while it may be written; guarded by mu
	writing  bool       // a transaction on active is under way; guarded by mu
	reading  *segment   // the drainer has it open; guarded by mu
	lastID   uint64     // of the newest segment; guarded by mu
	damages  []Damage   // newest last; guarded by mu
	fault    error      // why the last transaction failed; guarded by mu
}

func newQueue(c Config, l *ledger) *queue {
	q := &queue{
		dir: c.Dir, maxSize: c.MaxSize, maxAge: c.MaxAge,
		segmentSize: min(c.MaxSize/16, maxSegmentSize),
		ledger:      l, log: c.Logger, filled: make(chan struct{}, 1),
	}
	q.written = sync.NewCond(&q.mu)
	return q
}

// append puts a group of requests on disk, in one transaction. It is the
// committer's.
func (q *queue) append(group []*request) error {
	g, err := q.beginWrite(group)
	if err == nil {
		var packed [][]byte
		packed, q.memory = blocks(q.memory, g.last+1, group)
		err = g.put(packed)
		q.endWrite(g, len(packed), group, err)
		if cap(q.memory) > 2*commitSize {
			q.memory = nil
		}
	}
	q.mu.Lock()
	q.fault = err
	q.mu.Unlock()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	select {
	case q.filled <- struct{}{}:
	default:
	}
	return nil
}

// beginWrite returns the segment to write to, after it has made room.
func (q *queue) beginWrite(group []*request) (*segment, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var need int64
	for _, r := range group {
		need += int64(len(r.records))
	}
	// bbolt leaves pages free and grows its file in steps.
	need = 2*need + q.segmentSize/4
	if need > q.maxSize/2 {
		return nil, fmt.Errorf("%d bytes do not fit into a spool of %d bytes", need, q.maxSize)
	}
	now := time.Now()
	if q.active != nil && (q.active.size >= q.segmentSize || now.Sub(q.active.oldest) > q.maxAge/8) {
		q.seal()
	}
	q.makeRoom(need)
	if q.active == nil {
		if err := q.create(now); err != nil {
			return nil, err
		}
	}
	q.writing = true
	return q.active, nil
}

func (q *queue) endWrite(g *segment, n int, group []*request, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = false
	q.written.Broadcast()
	g.stat()
	if err != nil {
		// Whatever the file holds behind its last block is not trusted.
		q.seal()
		return
	}
	g.last += uint64(n)
	for _, r := range group {
		g.points[r.namespace] += r.points
		if r.waitsSince.IsZero() {
			g.newest = time.Now()
			q.ledger.stored(r.namespace, r.points)
		} else if r.waitsSince.After(g.newest) {
			g.newest = r.waitsSince
		}
	}
	if err := countOpen(g.path, g.points); err != nil {
		q.log.Debug("spool segment is not counted: damage to it could not be told in points", "file", g.path, "error", err)
	}
}

// create must be called with the lock held, as must all that follow up to
// expire.
func (q *queue) create(now time.Time) error {
	q.lastID = max(q.lastID+1, uint64(now.UnixNano()))
	g, err := createSegment(filepath.Join(q.dir, fmt.Sprintf("%016x%s", q.lastID, segmentSuffix)), q.segmentSize)
	if err != nil {
		return err
	}
	q.segments = append(q.segments, g)
	q.active = g
	return nil
}

// seal ends the writing of the active segment.
func (q *queue) seal() {
	g := q.active
	q.active = nil
	if err := g.close(); err != nil {
		q.log.Warn("spool segment did not close well", "file", g.path, "error", err)
	}
	if g.last == 0 {
		q.remove(g)
		return
	}
	q.summarize(g)
}

func (q *queue) summarize(g *segment) {
	err := saveSummary(g.path, summary{Last: g.last, Next: g.next, Points: g.points, Oldest: g.oldest, Newest: g.newest})
	if err != nil {
		q.log.Debug("spool segment has no summary and will be counted at the next start", "file", g.path, "error", err)
	}
}

// remove takes a segment off the list and the disk.
func (q *queue) remove(g *segment) {
	q.segments = slices.DeleteFunc(q.segments, func(other *segment) bool { return other == g })
	if err := errors.Join(removeFile(g.path), removeFile(summaryPath(g.path))); err != nil {
		q.log.Error("spool segment could not be removed", "file", g.path, "error", err)
	}
}

// drop loses a sealed segment's points, but those that the drainer has taken.
func (q *queue) drop(g *segment, reason string) {
	q.log.Warn("spool drops its oldest points", "reason", reason, "points", total(g.points), "file", g.path)
	q.ledger.dropped(g.points, reason)
	g.points = map[string]int64{}
	g.dropped = reason
	q.remove(g)
}

func (q *queue) makeRoom(need int64) {
	// The summaries take a little, too.
	room := q.maxSize - q.maxSize/64
	for q.size()+need > room && len(q.segments) > 0 && q.segments[0] != q.active {
		q.drop(q.segments[0], DroppedFull)
	}
}

func (q *queue) size() (size int64) {
	for _, g := range q.segments {
		size += g.size
	}
	return size
}

// expire drops the segments whose newest point is too old.
func (q *queue) expire(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.segments) > 0 && now.Sub(q.segments[0].newest) > q.maxAge {
		if g := q.segments[0]; g != q.active {
			q.drop(g, DroppedAge)
		} else if q.writing {
			return
		} else {
			q.seal()
		}
	}
}

// close seals what is open. Nothing else may be called afterwards.
func (q *queue) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active != nil {
		q.seal()
	}
	if q.reading != nil {
		return q.reading.close()
	}
	return nil
}

func total(points map[string]int64) (n int64) {
	for _, p := range points {
		n += p
	}
	return n
}
