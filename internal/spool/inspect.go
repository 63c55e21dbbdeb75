package spool

import (
	"fmt"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

// seen is the result of Inspect, set at the end of each method.
type seen struct {
	details agent.StoreDetails
	fault   fault
}

// fault is why nothing could be written, or nil.
type fault struct {
	err error
	at  time.Time
}

// faultFades is how long a fault is reported when nothing is on disk: the disk
// is not tried again before it is needed.
const faultFades = time.Minute

// Inspect implements [agent.Store].
func (s *Spool) Inspect() agent.StoreDetails {
	last := s.seen.Load()
	d := last.details
	d.Problems = slices.Clone(d.Problems)
	if f := last.fault; f.err != nil && (d.Files > 0 || time.Since(f.at) < faultFades) {
		d.Problems = append(d.Problems, fmt.Sprintf("points cannot be written to disk: %s", f.err))
	}
	return d
}

// describe sets the result of Inspect.
func (s *Spool) describe() {
	var d agent.StoreDetails
	d.Bytes, d.Files, d.Limit = s.size(), len(s.segments), s.maxSize
	for _, g := range s.segments {
		d.Points += total(g.points)
	}
	if len(s.segments) > 0 {
		d.Oldest = s.segments[0].oldest
	}
	for _, damage := range s.damages {
		d.Problems = append(d.Problems, damage.String())
	}
	s.seen.Store(&seen{d, s.fault})
}
