package cell

import "sync"

// leaders are the processes that wardens of this program have started and not
// yet waited for. The kernel keeps one list of children for a program, however
// many wardens it has, and says of none how it became a child; hence the only
// variable of this package.
var leaders = leaderSet{pids: map[int]bool{}}

// leaderSet is locked from before a leader is born: whoever sees it among the
// children and then asks, finds it.
type leaderSet struct {
	sync.RWMutex
	pids map[int]bool // guarded by the lock
}

// add is called with the lock held.
func (s *leaderSet) add(pid int) { s.pids[pid] = true }

func (s *leaderSet) remove(pid int) {
	s.Lock()
	defer s.Unlock()
	delete(s.pids, pid)
}

func (s *leaderSet) has(pid int) bool {
	s.RLock()
	defer s.RUnlock()
	return s.pids[pid]
}

// any reports whether there is one.
func (s *leaderSet) any() bool {
	s.RLock()
	defer s.RUnlock()
	return len(s.pids) > 0
}
