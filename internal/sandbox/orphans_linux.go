package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// tableEntry is a process of the process table.
type tableEntry struct {
	pid int
	procfs.Stat
}

// readTable reads the stat files of all processes. It begins with the newest,
// which are the most likely to exit soon.
func readTable() ([]tableEntry, error) {
	lister := procfs.PIDLister{Dir: "/proc"}
	pids, err := lister.List()
	if err != nil {
		return nil, fmt.Errorf("reading the process table: %w", err)
	}
	slices.Sort(pids)
	table := make([]tableEntry, 0, len(pids))
	for _, pid := range slices.Backward(pids) {
		if s, err := procfs.ReadStat(pid); err == nil {
			table = append(table, tableEntry{pid, s})
		}
	}
	return table, nil
}

// children returns the program's own children, the newest first. Dead ones are
// included until they are reaped.
func children() ([]int, error) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	if len(lists) == 0 { // a kernel without CONFIG_PROC_CHILDREN
		return childrenByStat()
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended; other threads have its children now
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	slices.Reverse(pids)
	return pids, nil
}

func childrenByStat() ([]int, error) {
	table, err := readTable()
	if err != nil {
		return nil, fmt.Errorf("finding child processes: %w", err)
	}
	var pids []int
	for _, p := range table {
		if p.Parent == os.Getpid() {
			pids = append(pids, p.pid)
		}
	}
	return pids, nil
}

// adoptsOrphans reports whether orphans become children of this program.
func adoptsOrphans() bool {
	var subreaper int32
	_, _, errno := unix.Syscall(unix.SYS_PRCTL, unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&subreaper)), 0)
	return os.Getpid() == 1 || errno == 0 && subreaper != 0
}

// orphanFilter distinguishes orphans of commands from the children that the program
// itself has started. It looks at a property that a process cannot change at will:
// no_new_privs if only the commands have it, else the session, because every command
// runs in its own session.
type orphanFilter struct {
	byPrivs bool
	session int // of this program
}

func newOrphanFilter(config Config) orphanFilter {
	own, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	session, _ := unix.Getsid(0)
	return orphanFilter{byPrivs: config.NoNewPrivs && err == nil && own == 0, session: session}
}

// isOrphan reports whether a child of this program is an orphan of a command. s is the
// child's stat. ok is false if that could not be read: then the child hides, and counts
// as an orphan if it exists.
func (o orphanFilter) isOrphan(pid int, s procfs.Stat, ok bool) bool {
	switch {
	case leaders.has(pid):
		return false
	case !ok:
		return syscall.Kill(pid, 0) == nil
	case !o.byPrivs:
		return s.Session != o.session
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && bytes.Contains(status, []byte("NoNewPrivs:\t1\n"))
}

// reapAdopted reaps the orphans of a sandbox that became children of this program. It
// leaves other children to the calling program.
func reapAdopted(adopted func(pid int) bool) {
	deadline := time.Now().Add(killGrace)
	for time.Now().Before(deadline) {
		pids, err := children()
		pids = slices.DeleteFunc(pids, func(pid int) bool { return !adopted(pid) })
		if err != nil || len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			if !reap(pid) {
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// reap waits for a child if it is dead, and reports whether it is gone.
func reap(pid int) bool {
	reaped, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	return reaped == pid || errors.Is(err, syscall.ECHILD)
}
