package spool

import "time"

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
	if q.fault != nil {
		st.Fault = q.fault.Error()
	}
	st.Damages = append(st.Damages, q.damages...)
}
