package hostmetrics

const (
	// settledAfter is the number of walks after which a process that belongs to no program
	// has settled.
	settledAfter = 5
	// lookEvery is how many walks pass until a settled process is looked at again.
	lookEvery = 4
)

// settled says which processes a walk can skip. Most processes of a host belong to no
// program, and looking at each of them takes nearly all of a walk's time. A process that
// belonged to none five times is only looked at in every fourth walk: it becomes another
// program (execve(2)) or changes its command line rarely, and mostly soon after its start.
// A new process is looked at at once. The zero value skips none.
type settled struct {
	walk int
	// before and now count for each process how often it belonged to no program.
	before, now map[sighting]int
}

// sighting is a process as the list of processes shows it.
type sighting struct {
	pid   int
	inode uint64 // see [procfs.PIDLister.Inodes]
}

// skips reports whether this walk can skip a process.
func (s *settled) skips(p sighting) bool {
	times := s.before[p]
	if times < settledAfter || (s.walk+p.pid)%lookEvery == 0 {
		return false
	}
	s.now[p] = times
	return true
}

// sawNothing notes that a process belongs to no program.
func (s *settled) sawNothing(p sighting) { s.now[p] = min(s.before[p]+1, settledAfter) }

// begin begins a walk. If other processes are wanted than in the last one, all are looked at.
func (s *settled) begin(same bool) {
	s.walk++
	s.before, s.now = s.now, s.before
	if !same {
		clear(s.before)
	}
	if s.now == nil {
		s.now = make(map[sighting]int)
	}
	clear(s.now)
}
