package cell

import (
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
)

// stat is a part of /proc/PID/stat, see proc_pid_stat(5).
type stat struct {
	pid, ppid, session int
	zombie             bool
	start              uint64 // ticks since boot
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name in parentheses may itself hold blanks and parentheses.
	rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	s := stat{pid: pid, zombie: fields[0] == "Z" || fields[0] == "X"}
	s.ppid, _ = strconv.Atoi(fields[1])
	s.session, _ = strconv.Atoi(fields[3])
	s.start, _ = strconv.ParseUint(fields[19], 10, 64)
	return s, nil
}

// readStats reads all processes.
func readStats() ([]stat, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []stat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// children returns the program's own children, dead ones too until they are
// waited for.
func children() ([]int, error) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	if len(lists) == 0 { // a kernel without CONFIG_PROC_CHILDREN
		return childrenByStat()
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended and its children have moved on
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

func childrenByStat() ([]int, error) {
	all, err := readStats()
	if err != nil {
		return nil, fmt.Errorf("looking for child processes: %w", err)
	}
	var pids []int
	for _, s := range all {
		if s.ppid == os.Getpid() {
			pids = append(pids, s.pid)
		}
	}
	return pids, nil
}

// adoptsOrphans says whether orphans become children of this program.
func adoptsOrphans() bool {
	var subreaper int32
	_, _, errno := unix.Syscall(unix.SYS_PRCTL, unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&subreaper)), 0)
	return os.Getpid() == 1 || errno == 0 && subreaper != 0
}

// reapAdopted waits for the dying children that were adopted from a cell, and
// only for them: others belong to the program around.
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
