package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/safefile"
)

// Damage is a file of the spool that could not be read completely.
type Damage struct {
	// File is the path to which it was renamed, or empty if it is gone. The
	// newest few are kept.
	File   string
	Reason string
	// Points is how many points were lost with it, as far as known.
	Points int64
	Time   time.Time
}

func (d Damage) String() string {
	text := fmt.Sprintf("points on disk were damaged and %d are lost (%s)", d.Points, d.Reason)
	if d.File == "" {
		return text
	}
	return text + "; the file is set aside as " + d.File
}

// keptDamages is how many damaged files are kept for inspection.
const keptDamages = 3

const damagedSuffix = ".damaged-"

// load finds the segments of earlier runs and sets damaged ones aside. It
// returns an error if a file could not be opened for another reason.
func (s *Spool) load() error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"+segmentSuffix))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for _, path := range paths {
		if err := s.loadSegment(path); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	s.makeRoom(0)
	return s.removeOrphans()
}

func (s *Spool) loadSegment(path string) error {
	id, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), segmentSuffix), 16, 64)
	if err != nil {
		return nil
	}
	s.lastID = max(s.lastID, id)
	g, err := foundSegment(path)
	if err != nil && !isDamage(err) {
		return err
	}
	if err != nil {
		s.lose(g.points, DroppedDamaged)
		s.setAside(g, err, total(g.points))
		return nil
	}
	s.segments = append(s.segments, g)
	if len(g.points) == 0 && g.bad == nil {
		s.remove(g)
	}
	return nil
}

// foundSegment returns the segment at path with its figures. It is not nil even
// if there is an error.
func foundSegment(path string) (*segment, error) {
	g := &segment{path: path, next: 1, read: 1, points: map[string]int64{}}
	info, err := os.Lstat(path)
	if err != nil {
		return g, err
	}
	s, ok := loadSummary(path)
	if !info.Mode().IsRegular() {
		g.points = s.Points
		return g, &safefile.NotRegularError{Path: path, Mode: info.Mode()}
	}
	g.size, g.oldest, g.newest = info.Size(), info.ModTime(), info.ModTime()
	if ok && !s.Open {
		g.last, g.next, g.read, g.oldest, g.newest = s.Last, s.Next, s.Next, s.Oldest, s.Newest
		if s.Points != nil {
			g.points = s.Points
		}
		return g, nil
	}
	if info.Size() > 0 { // else the process ended while it made the file
		err = errors.Join(g.count(), g.close())
	}
	// The summary can count more points than could be read: bbolt does not
	// report that it goes back to the transaction before a damaged one.
	for namespace, n := range s.Points {
		g.points[namespace] = max(g.points[namespace], n)
	}
	if err == nil && g.last == 0 && len(g.points) > 0 {
		err = fmt.Errorf("%w: blocks are missing", errDamaged) // nothing of it will ever be read
	}
	return g, err
}

// count reads the whole segment.
func (g *segment) count() (err error) {
	if g.last, err = g.length(); err != nil {
		return err
	}
	for seq := uint64(1); seq <= g.last; seq++ {
		data, err := g.block(seq)
		if err != nil && !isDamage(err) {
			return err
		}
		var d decoder
		if err == nil {
			err = d.block(seq, data)
		}
		if err != nil {
			g.bad = err
		}
		for _, b := range d.batches {
			g.points[b.Namespace] += int64(len(b.Metrics))
		}
	}
	return nil
}

// setAside renames a damaged segment and removes the oldest of the renamed
// ones.
func (s *Spool) setAside(g *segment, reason error, points int64) {
	now := time.Now()
	d := Damage{File: fmt.Sprintf("%s%s%d", g.path, damagedSuffix, now.Unix()), Reason: reason.Error(), Points: points, Time: now}
	err := os.Rename(g.path, d.File)
	s.remove(g)
	if errors.Is(err, os.ErrNotExist) {
		s.log.Error("another program removed a spool file: its points are lost", "file", g.path, "points_lost", points)
		s.addRemoved(points)
		return
	}
	s.log.Error("spool file is damaged and was set aside", "file", d.File, "points_lost", points, "reason", reason)
	if err != nil {
		s.log.Error("cannot rename a damaged spool file", "file", g.path, "error", err)
	}
	s.addDamage(d)
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"+damagedSuffix+"*"))
	slices.Sort(files)
	for len(files) > keptDamages {
		if err := removeFile(files[0]); err != nil {
			s.log.Error("cannot remove a damaged spool file", "file", files[0], "error", err)
		}
		files = files[1:]
	}
}

func (s *Spool) addDamage(d Damage) {
	s.damages = append(s.damages, d)
	if len(s.damages) > keptDamages {
		s.damages = slices.Delete(s.damages, 0, len(s.damages)-keptDamages)
	}
}

// removeOrphans removes summaries without a segment.
func (s *Spool) removeOrphans() error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"+summarySuffix+"*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		segmentPath := strings.TrimSuffix(strings.TrimSuffix(path, ".new"), summarySuffix) + segmentSuffix
		if _, err := os.Stat(segmentPath); errors.Is(err, os.ErrNotExist) {
			if err := removeFile(path); err != nil {
				return err
			}
		}
	}
	return nil
}
