package spool

import (
	"errors"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

const (
	// pieceSize is the size of a piece in bytes of blocks, about.
	pieceSize = 256 << 10
	// summaryEvery is how often the progress of a segment is saved: what was done
	// since is delivered twice after a crash.
	summaryEvery = time.Second
)

// piece is what Next returned once.
type piece struct {
	spans   []span
	batches []agent.Batch
	newest  time.Time // about when the newest of its points was accepted
}

// span is some blocks of one segment.
type span struct {
	segment *segment
	first   uint64 // block
	next    uint64 // the block behind the span
	points  map[string]int64
}

// next reads the oldest blocks that have not been read.
func (s *Spool) next() ([]agent.Batch, error) {
	p := &piece{}
	for len(p.batches) == 0 {
		g := s.oldestUnread()
		if g == nil {
			break
		}
		if err := s.read(g, p); err != nil {
			s.unreadSpans(p)
			return nil, err
		}
	}
	switch {
	case len(p.spans) == 0:
		return nil, nil
	case len(p.batches) > 0:
		s.hand = append(s.hand, p)
	case len(s.hand) > 0: // nothing but damage: over with what was read before it
		last := s.hand[len(s.hand)-1]
		last.spans = append(last.spans, p.spans...)
	default:
		s.passed(p)
	}
	return p.batches, nil
}

// oldestUnread returns the first segment of which not all is read, sealed.
func (s *Spool) oldestUnread() *segment {
	for _, g := range s.segments {
		if g.read > g.last {
			continue
		}
		if g == s.active {
			s.seal()
		}
		return g
	}
	return nil
}

// read reads blocks of g until the piece is large enough. What cannot be read
// is skipped. An error means that g cannot be read now.
func (s *Spool) read(g *segment, p *piece) error {
	at := span{segment: g, first: g.read, next: g.read}
	var d decoder
	for size := 0; at.next <= g.last && size < pieceSize; at.next++ {
		if err := g.open(); isDamage(err) {
			g.bad = err
			at.next = g.last + 1
			break
		} else if err != nil {
			return err
		}
		data, err := g.block(at.next)
		if err == nil {
			size += len(data)
			err = d.block(at.next, data)
		} else if !isDamage(err) {
			return err
		}
		if err != nil {
			g.bad = err
		}
	}
	at.points = d.points()
	if g.read = at.next; g.read > g.last {
		s.release(g)
	}
	// More may have been found than were known.
	known := s.unread(g)
	for namespace, n := range at.points {
		g.points[namespace] += max(0, n-known[namespace])
	}
	p.spans = append(p.spans, at)
	p.batches = append(p.batches, d.batches...)
	if g.newest.After(p.newest) {
		p.newest = g.newest
	}
	return nil
}

// unread returns the points of the segment that are in no piece.
func (s *Spool) unread(g *segment) map[string]int64 {
	points := make(map[string]int64, len(g.points))
	for namespace, n := range g.points {
		points[namespace] = n
	}
	for _, p := range s.hand {
		for _, at := range p.spans {
			if at.segment == g {
				for namespace, n := range at.points {
					points[namespace] -= n
				}
			}
		}
	}
	return points
}

// passed is called once the whole piece is done.
func (s *Spool) passed(p *piece) {
	for _, at := range p.spans {
		g := at.segment
		if g.dropped != "" {
			continue
		}
		for namespace, n := range at.points {
			if g.points[namespace] -= n; g.points[namespace] <= 0 {
				delete(g.points, namespace)
			}
		}
		g.next = at.next
		if g.next > g.last {
			s.finish(g)
		} else if now := time.Now(); now.Sub(g.summarized) >= summaryEvery {
			g.summarized = now
			s.summarize(g)
		}
	}
}

// finish removes a segment that was read to its end: points that were not
// found in it are lost.
func (s *Spool) finish(g *segment) {
	lost := total(g.points)
	s.lose(g.points, DroppedDamaged)
	if g.bad == nil && lost > 0 {
		g.bad = errors.New("blocks are missing")
	}
	if g.bad != nil {
		s.setAside(g, g.bad, lost)
		return
	}
	s.remove(g)
}

// rewind forgets what was read and is not done.
func (s *Spool) rewind() {
	for _, p := range slices.Backward(s.hand) {
		s.unreadSpans(p)
	}
	s.hand = nil
}

// unreadSpans makes the spans of a piece be read again. Those of a segment that
// was dropped meanwhile are lost.
func (s *Spool) unreadSpans(p *piece) {
	for _, at := range slices.Backward(p.spans) {
		if at.segment.dropped != "" {
			s.loseInHand(at)
			continue
		}
		at.segment.read = at.first
	}
}

// loseInHand loses points that were on their way when their segment was dropped.
func (s *Spool) loseInHand(at span) {
	points := total(at.points)
	if points == 0 {
		return
	}
	s.lose(at.points, at.segment.dropped)
	s.log.Error("points were being delivered when their spool file was dropped, and were not taken: they are lost, too",
		"reason", at.segment.dropped, "points_lost", points, "file", at.segment.path)
	if at.segment.dropped == DroppedDamaged {
		s.addRemoved(points)
	}
}

// release closes a segment that was read.
func (s *Spool) release(g *segment) {
	if err := g.close(); err != nil {
		s.log.Warn("cannot close a spool segment", "file", g.path, "error", err)
	}
}
