package sandbox

import "sync"

// leaders are the processes that the supervisors of this program have started and
// not yet reaped. It is a variable of the package, the only one, because all
// supervisors share the kernel's list of the program's children, which does not
// tell how a process became a child.
var leaders = leaderSet{pids: map[int]bool{}}

// leaderSet is locked before a leader is started, so that a leader which is
// seen among the children is always in the set.
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

func (s *leaderSet) any() bool {
	s.RLock()
	defer s.RUnlock()
	return len(s.pids) > 0
}
