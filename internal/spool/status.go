package spool

import (
	"fmt"
	"time"

	"github.com/lodastack/agent"
)

// Status is what a person wants to know of a spool.
type Status struct {
	// Down is why the inner output takes nothing, or empty.
	Down string
	// Since is when the inner output went down or came back; zero if it has
	// been up since the start.
	Since time.Time
	// Waiting is the number of points on disk.
	Waiting int64
	// Size of the files in bytes, and their number.
	Size  int64
	Files int
	// Oldest is about the time of the oldest point that waits; zero without.
	Oldest time.Time
	// Fault is why nothing can be written to disk (it is full, say), or empty.
	Fault string
	// Damages are the newest damaged files, oldest first.
	Damages []Damage
}

// Status returns the present state.
func (s *Spool) Status() Status {
	var st Status
	since, cause := s.circuit.state()
	if st.Since = since; cause != nil {
		st.Down = cause.Error()
	}
	st.Waiting = s.ledger.waits()
	s.queue.describe(&st)
	return st
}

func (q *queue) describe(st *Status) {
	q.mu.Lock()
	defer q.mu.Unlock()
	st.Size, st.Files = q.size(), len(q.segments)
	if len(q.segments) > 0 {
		st.Oldest = q.segments[0].oldest
	}
	// Once the output is back and all is drained, the fault is history: the
	// disk is not tried again before it is needed.
	if q.fault != nil && (len(q.segments) > 0 || st.Down != "") {
		st.Fault = q.fault.Error()
	}
	st.Damages = append(st.Damages, q.damages...)
}

// InspectOutput implements [agent.OutputInspector], for the spool and the
// output within.
func (s *Spool) InspectOutput() agent.OutputDetails {
	var details agent.OutputDetails
	if inner, ok := s.inner.(agent.OutputInspector); ok {
		details = inner.InspectOutput()
	}
	st := s.Status()
	details.Disk = &agent.DiskDetails{Points: st.Waiting, Bytes: st.Size, Files: st.Files, Oldest: st.Oldest}
	if st.Down != "" {
		details.Problems = append(details.Problems, fmt.Sprintf("the output takes no points, which wait on disk: %s", st.Down))
	}
	if st.Fault != "" {
		details.Problems = append(details.Problems, fmt.Sprintf("no points can be kept on disk: %s", st.Fault))
	}
	for _, damage := range st.Damages {
		details.Problems = append(details.Problems, fmt.Sprintf(
			"points on disk were damaged and %d are lost (%s); the file is set aside as %s", damage.Points, damage.Reason, damage.File))
	}
	return details
}
