package procfs

import (
	"bytes"
	"fmt"
	"math"
	"os"
)

// TicksPerSecond is USER_HZ, the unit of the times in [Stat]: 100 on every
// architecture that Go runs on.
const TicksPerSecond = 100

// removed is the session of a process that the kernel is just removing.
const removed = -1

// Stat is a part of /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	// State is R, S, D, Z and so on.
	State byte
	// Parent is the PID of the parent, or 0 if it is in another PID namespace.
	Parent int
	// Session is the PID of the session's leader, or -1 for a process that the
	// kernel is just removing.
	Session int
	// UserTicks and SystemTicks are the used processor time.
	UserTicks, SystemTicks uint64
	// Threads is the number of living threads.
	Threads int
	// Start is the start time, in ticks since boot. PID and Start together
	// identify a process.
	Start uint64
	// ResidentPages is the resident memory in pages.
	ResidentPages uint64
}

// Dead reports whether the process has exited and its parent has not waited for
// it yet. A process of which only the first thread has exited has the same
// state, but other threads.
func (s Stat) Dead() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// ReadStat reads /proc/PID/stat in this program's PID namespace. The error is
// [os.ErrNotExist] if there is no such process, or if the kernel is just
// removing it, because its PID may be reused at once.
func ReadStat(pid int) (Stat, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	content, err := os.ReadFile(path)
	if err != nil {
		return Stat{}, err
	}
	s, ok := ParseStat(content)
	if !ok {
		return Stat{}, fmt.Errorf("%s is not in the format of proc_pid_stat(5): %.100q", path, content)
	}
	if s.Session == removed {
		return Stat{}, &os.PathError{Op: "read", Path: path, Err: os.ErrNotExist}
	}
	return s, nil
}

// ParseStat parses a stat file without allocations. ok is false if the format
// is wrong. The name in parentheses may contain any character, even blanks and
// parentheses.
func ParseStat(content []byte) (s Stat, ok bool) {
	end := bytes.LastIndexByte(content, ')')
	if end < 0 {
		return s, false
	}
	w := NewWords(content[end+1:])
	state := w.Next() // field 3
	if len(state) != 1 || !isLetter(state[0]) {
		return s, false
	}
	s.State = state[0]
	var ok1, ok2, ok3, ok4, ok5, ok6, ok7 bool
	s.Parent, ok1 = parseInt(w.Next())
	w.Skip(1)
	s.Session, ok2 = parseInt(w.Next()) // 6
	w.Skip(7)
	s.UserTicks, ok3 = w.Number() // 14
	s.SystemTicks, ok4 = w.Number()
	w.Skip(4)
	s.Threads, ok7 = parseInt(w.Next()) // 20
	w.Skip(1)
	s.Start, ok5 = w.Number() // 22
	w.Skip(1)
	s.ResidentPages, ok6 = w.Number() // 24
	return s, ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7 && s.Threads >= 0
}

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }

// parseInt parses a C int that is -1 or more.
func parseInt(word []byte) (int, bool) {
	if string(word) == "-1" {
		return -1, true
	}
	n, ok := ParseNumber(word)
	if !ok || n > math.MaxInt32 {
		return 0, false
	}
	return int(n), true
}
