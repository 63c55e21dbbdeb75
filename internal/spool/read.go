package spool

import (
	"errors"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

const (
	// pieceSize is the approximate size of a piece, in bytes of blocks.
	pieceSize = 256 << 10
	// summaryEvery is how often the progress of a segment is saved. After a
	// crash, everything done since then is delivered twice.
	summaryEvery = time.Second
)

// piece is the result of one Next.
type piece struct {
	spans   []span
	batches []agent.Batch
	newest  time.Time // when the newest of its points was accepted, approximately
}

// span is a range of blocks of one segment.
type span struct {
	segment *segment
	first   uint64 // the first block
	next    uint64 // the block after the span
	points  map[string]int64
}

// next reads the oldest unread blocks.
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
	case len(s.hand) > 0: // only damage was found: it is done when the pieces before it are
		last := s.hand[len(s.hand)-1]
		last.spans = append(last.spans, p.spans...)
	default:
		s.passed(p)
	}
	return p.batches, nil
}

// oldestUnread returns the first segment that is not completely read. It seals
// the segment.
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

// read reads blocks of g until the piece is large enough. It skips what is
// damaged. An error means that g cannot be read now.
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
	// There may be more points than the summary counted.
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

// unread returns the points of the segment that are not in a piece.
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

// passed is called when the whole piece is done.
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

// finish removes a segment that was read to its end. Points that were expected
// but not found in it are lost.
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

// rewind marks as unread what was read and is not done.
func (s *Spool) rewind() {
	for _, p := range slices.Backward(s.hand) {
		s.unreadSpans(p)
	}
	s.hand = nil
}

// unreadSpans marks the blocks of a piece as unread. If their segment was
// dropped meanwhile, their points are lost.
func (s *Spool) unreadSpans(p *piece) {
	for _, at := range slices.Backward(p.spans) {
		if at.segment.dropped != "" {
			s.loseInHand(at)
			continue
		}
		at.segment.read = at.first
	}
}

// loseInHand counts points as lost that were being delivered when their segment
// was dropped.
func (s *Spool) loseInHand(at span) {
	points := total(at.points)
	if points == 0 {
		return
	}
	s.lose(at.points, at.segment.dropped)
	s.log.Error("points were being delivered when their spool file was dropped, and the output did not take them: they are lost too",
		"reason", at.segment.dropped, "points_lost", points, "file", at.segment.path)
	if at.segment.dropped == DroppedDamaged {
		s.addRemoved(points)
	}
}

// release closes a segment that was read completely.
func (s *Spool) release(g *segment) {
	if err := g.close(); err != nil {
		s.log.Warn("cannot close a spool segment", "file", g.path, "error", err)
	}
}
