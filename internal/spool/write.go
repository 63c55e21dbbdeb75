package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

// A block is complete once it has this many bytes.
const blockSize = 64 << 10

// append writes batches to disk in one transaction. since is when they were
// accepted. Zero: now.
func (s *Spool) append(batches []agent.Batch, since time.Time) error {
	err := s.write(batches, since)
	if errors.Is(err, errRemoved) || errors.Is(err, os.ErrNotExist) {
		if err = s.restore(); err == nil {
			err = s.write(batches, since)
		}
	}
	if cap(s.memory) > 2<<20 {
		s.memory = nil
	}
	s.fault = fault{err, time.Now()}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// write is append without a second attempt.
func (s *Spool) write(batches []agent.Batch, since time.Time) error {
	blocks, err := s.encode(batches)
	if err != nil {
		return err
	}
	g, err := s.prepare()
	if err != nil {
		return err
	}
	for i, block := range blocks {
		numberBlock(block, g.last+1+uint64(i))
	}
	if err = g.put(blocks); err == nil {
		err = g.checkName()
	}
	g.stat()
	if err != nil {
		// Nothing after the file's last block is trusted.
		s.seal()
		return err
	}
	g.last += uint64(len(blocks))
	for _, b := range batches {
		g.points[b.Namespace] += int64(len(b.Metrics))
	}
	if since.IsZero() {
		since = time.Now()
	}
	if since.After(g.newest) {
		g.newest = since
	}
	// Count after the points are written. The other way round, a kill in
	// between would leave a count that is too high.
	if err := countOpen(g.path, g.points); err != nil {
		s.log.Debug("cannot save the number of points in a spool segment", "file", g.path, "error", err)
	}
	return nil
}

// encode packs the batches into blocks without sequence numbers.
func (s *Spool) encode(batches []agent.Batch) (blocks [][]byte, err error) {
	buf, start := s.memory[:0], 0
	var ends []int
	for _, b := range batches {
		for metrics := range slices.Chunk(b.Metrics, recordMetrics) {
			if len(buf) == start {
				buf = appendBlockHead(buf, 0)
			}
			if buf, err = appendRecord(buf, b.Namespace, metrics); err != nil {
				return nil, fmt.Errorf("encode batch of %s: %w", b.Namespace, err)
			}
			if len(buf)-start >= blockSize {
				start = len(buf)
				ends = append(ends, start)
			}
		}
	}
	if len(buf) > start {
		ends = append(ends, len(buf))
	}
	s.memory = buf
	start = 0
	for _, end := range ends {
		blocks = append(blocks, buf[start:end:end])
		start = end
	}
	return blocks, nil
}

// prepare makes room and returns the segment to write to.
func (s *Spool) prepare() (*segment, error) {
	// bbolt leaves pages free and grows its file in steps.
	need := 2*int64(len(s.memory)) + s.segmentSize/4
	if need > s.maxSize/2 {
		return nil, fmt.Errorf("%d bytes do not fit into a spool of %d bytes", need, s.maxSize)
	}
	now := time.Now()
	if s.active != nil && (s.active.size >= s.segmentSize || now.Sub(s.active.oldest) > s.maxAge/8) {
		s.seal()
	}
	s.makeRoom(need)
	if s.active != nil {
		return s.active, nil
	}
	return s.create(now)
}

// create makes a segment, unless the lock of the directory is gone. Another
// process may own the directory then.
func (s *Spool) create(now time.Time) (*segment, error) {
	if !s.lock.Named() {
		return nil, fmt.Errorf("spool directory %s: %w", s.dir, errRemoved)
	}
	s.lastID = max(s.lastID+1, uint64(now.UnixNano()))
	g, err := createSegment(filepath.Join(s.dir, fmt.Sprintf("%016x%s", s.lastID, segmentSuffix)), s.segmentSize)
	if err != nil {
		return nil, err
	}
	// Reserve space for the count now, so that a full disk cannot prevent it
	// later.
	if err := countOpen(g.path, g.points); err != nil {
		return nil, errors.Join(err, g.close(), removeFile(g.path), removeFile(summaryPath(g.path)))
	}
	s.segments = append(s.segments, g)
	s.active = g
	return g, nil
}

// seal closes the active segment for writing.
func (s *Spool) seal() {
	g := s.active
	s.active = nil
	if err := g.close(); err != nil {
		s.log.Warn("cannot close a spool segment", "file", g.path, "error", err)
	}
	if g.last == 0 {
		s.remove(g)
		return
	}
	s.summarize(g)
}

func (s *Spool) summarize(g *segment) {
	err := saveSummary(g.path, summary{Last: g.last, Next: g.next, Points: g.points, Oldest: g.oldest, Newest: g.newest})
	if err != nil {
		s.log.Debug("spool segment has no summary and will be counted at the next start", "file", g.path, "error", err)
	}
}

// remove removes a segment from the list and from the disk.
func (s *Spool) remove(g *segment) {
	s.segments = slices.DeleteFunc(s.segments, func(other *segment) bool { return other == g })
	if err := errors.Join(g.close(), removeFile(g.path), removeFile(summaryPath(g.path))); err != nil {
		s.log.Error("cannot remove a spool segment", "file", g.path, "error", err)
	}
}

// addRemoved adds lost points to one damage, which stands for all files that
// other programs remove. The points of a file need not be lost at the same
// time, because some may be in delivery.
func (s *Spool) addRemoved(points int64) {
	reason := "another program removed files of the spool directory " + s.dir
	known := slices.IndexFunc(s.damages, func(d Damage) bool { return d.Reason == reason })
	if known < 0 {
		s.addDamage(Damage{Reason: reason, Points: points, Time: time.Now()})
		return
	}
	s.damages[known].Points += points
	s.damages[known].Time = time.Now()
}

// drop removes a sealed segment and counts its points as lost. Points in
// delivery are counted as lost only if they would have to be read again.
func (s *Spool) drop(g *segment, reason string) {
	points := s.unread(g)
	s.log.Warn("spool drops its oldest points", "reason", reason, "points", total(points), "file", g.path)
	s.lose(points, reason)
	g.dropped = reason
	s.remove(g)
}

func (s *Spool) makeRoom(need int64) {
	// The summaries take some space too.
	room := s.maxSize - s.maxSize/64
	for s.size()+need > room && len(s.segments) > 0 && s.segments[0] != s.active {
		s.drop(s.segments[0], DroppedFull)
	}
}

func (s *Spool) size() (size int64) {
	for _, g := range s.segments {
		size += g.size
	}
	return size
}

// expire drops the segments whose newest point is too old.
func (s *Spool) expire(now time.Time) {
	for len(s.segments) > 0 && now.Sub(s.segments[0].newest) > s.maxAge {
		if s.segments[0] == s.active {
			s.seal()
			continue
		}
		s.drop(s.segments[0], DroppedAge)
	}
}

// restore makes the directory again after another program removed it or files
// in it, and counts the lost points.
func (s *Spool) restore() error {
	gone := map[string]int64{}
	inHand := int64(0)
	for _, g := range slices.Clone(s.segments) {
		if _, err := os.Stat(g.path); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if g == s.active {
			s.active = nil
		}
		for namespace, n := range s.unread(g) {
			gone[namespace] += n
		}
		inHand += total(g.points)
		g.dropped = DroppedDamaged
		s.remove(g)
	}
	s.lose(gone, DroppedDamaged)
	s.log.Error("another program removed files of the spool: their points are lost, except those being delivered now",
		"directory", s.dir, "points_lost", total(gone), "being_delivered", inHand-total(gone))
	s.addRemoved(total(gone))
	if s.lock.Named() {
		return nil
	}
	lost := s.lock
	if err := s.own(); err != nil {
		return err
	}
	return lost.Release()
}
