package spool

import (
	"errors"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

const (
	// A chunk is read up to this many bytes of blocks …
	chunkSize = 4 * blockSize
	// … or until one namespace has this many points, which is also the most
	// that one write of the drainer holds.
	writePoints = 1000
	// summaryEvery is how often the drainer's place in a segment is saved: as
	// much is delivered twice after a crash.
	summaryEvery = time.Second
)

// chunk is what the drainer has in hand: some blocks of one segment.
type chunk struct {
	segment *segment
	// next is the block behind the chunk.
	next uint64
	// batches of different namespaces, still to be delivered.
	batches []agent.Batch
	// points that the chunk held at first, by namespace.
	points map[string]int64
}

// rest counts what is still to be delivered.
func (c *chunk) rest() map[string]int64 {
	points := make(map[string]int64, len(c.batches))
	for _, b := range c.batches {
		points[b.Namespace] += int64(len(b.Metrics))
	}
	return points
}

// take reads the oldest blocks. It returns nil when nothing waits. Like all
// in this file, it is the drainer's.
func (q *queue) take() (*chunk, error) {
	for {
		g := q.oldest()
		if g == nil {
			return nil, nil
		}
		c, bad, err := q.read(g)
		if err != nil && !isDamage(err) {
			return nil, err
		}
		if q.accept(c, bad) {
			return c, nil
		}
	}
}

// oldest seals the first segment if it is being written.
func (q *queue) oldest() *segment {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.segments) > 0 && q.segments[0] == q.active {
		if q.writing {
			q.written.Wait()
		} else {
			q.seal()
		}
	}
	var first *segment
	if len(q.segments) > 0 {
		first = q.segments[0]
	}
	if q.reading != nil && q.reading != first {
		q.release(q.reading)
	}
	q.reading = first
	return first
}

// read reads blocks of g until the chunk is large enough. What cannot be read
// is passed over; bad is the reason. An error means that the rest of the
// segment cannot be read, now or, if it is damage, ever.
func (q *queue) read(g *segment) (c *chunk, bad, err error) {
	c = &chunk{segment: g, next: g.next}
	var d decoder
	for size := 0; c.next <= g.last && size < chunkSize && d.largest < writePoints; c.next++ {
		if err := g.open(); isDamage(err) {
			c.next = g.last + 1
			return c, err, nil
		} else if err != nil {
			return nil, nil, err
		}
		data, err := g.block(c.next)
		if err == nil {
			size += len(data)
			err = d.block(c.next, data)
		} else if !isDamage(err) {
			return nil, nil, err
		}
		if err != nil {
			bad = err
		}
	}
	c.batches = slices.DeleteFunc(d.batches, func(b agent.Batch) bool { return len(b.Metrics) == 0 })
	c.points = c.rest()
	return c, bad, nil
}

// accept moves the chunk's points from the segment into the drainer's hand,
// unless there are none, or the segment was dropped meanwhile.
func (q *queue) accept(c *chunk, bad error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := c.segment
	if bad != nil {
		g.bad = bad
	}
	if g.dropped != "" {
		q.release(g)
		return false
	}
	for namespace, n := range c.points {
		if known := g.points[namespace]; known < n {
			q.ledger.stored(namespace, n-known)
			g.points[namespace] = n
		}
		if g.points[namespace] -= n; g.points[namespace] == 0 {
			delete(g.points, namespace)
		}
	}
	if len(c.batches) == 0 {
		q.passed(c)
		return false
	}
	return true
}

// settle is called once nothing of the chunk waits any more.
func (q *queue) settle(c *chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.segment.dropped != "" {
		q.release(c.segment)
		return
	}
	q.passed(c)
}

// passed moves on behind the chunk. It must be called with the lock held.
func (q *queue) passed(c *chunk) {
	g := c.segment
	g.next = c.next
	if g.next > g.last {
		q.finish(g)
	} else if now := time.Now(); now.Sub(g.summarized) >= summaryEvery {
		g.summarized = now
		q.summarize(g)
	}
}

// finish gives up a segment that was read to its end: points that did not
// come to light are lost. It must be called with the lock held.
func (q *queue) finish(g *segment) {
	q.release(g)
	lost := total(g.points)
	q.ledger.dropped(g.points, DroppedDamaged)
	if g.bad == nil && lost > 0 {
		g.bad = errors.New("blocks are missing")
	}
	if g.bad != nil {
		q.setAside(g, g.bad, lost)
		return
	}
	q.remove(g)
}

// keep gives a chunk back that could not be delivered before the end.
func (q *queue) keep(c *chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := c.segment
	if g.dropped != "" {
		q.ledger.dropped(c.rest(), g.dropped)
		q.release(g)
		return
	}
	for namespace, n := range c.points {
		g.points[namespace] += n
	}
	q.summarize(g)
}

// release closes the drainer's segment. It must be called with the lock held.
func (q *queue) release(g *segment) {
	if err := g.close(); err != nil {
		q.log.Warn("spool segment did not close well", "file", g.path, "error", err)
	}
	q.reading = nil
}

// lost tells whether the segment of the chunk was dropped, and why.
func (q *queue) lost(c *chunk) (reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return c.segment.dropped
}
