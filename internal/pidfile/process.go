package pidfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/filelock"
	"github.com/lodastack/agent/internal/safefile"
)

// Process is an agent that holds its pid file.
type Process struct {
	PID int

	file *os.File
	path string
}

// Running returns the process that holds the pid file at path. It must be
// closed. The error wraps [ErrNotRunning] if there is none, and says why.
func Running(path string) (*Process, error) {
	file, err := safefile.Open(path, os.O_RDONLY, 0)
	var irregular *safefile.NotRegularError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no pid file %s", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("this user may not read the pid file %s: do this as root or as the agent's user (%w)", path, err)
	case errors.As(err, &irregular):
		return nil, notPIDFile(irregular)
	case err != nil:
		return nil, fmt.Errorf("open the pid file: %w", err)
	}
	pid, err := holder(file, path)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Process{PID: pid, file: file, path: path}, nil
}

// holder returns the id of the process that has locked the file.
func holder(file *os.File, path string) (int, error) {
	text, _ := filelock.Content(file)
	pid, err := strconv.Atoi(text)
	switch locked := filelock.TryLock(file); {
	case locked == nil && err == nil:
		return 0, fmt.Errorf("%w: the pid file %s names process %d, which is not an agent of this file", ErrNotRunning, path, pid)
	case locked == nil:
		return 0, fmt.Errorf("%w: the pid file %s names no process", ErrNotRunning, path)
	case !errors.Is(locked, filelock.ErrLocked):
		return 0, fmt.Errorf("test the lock of the pid file %s: %w", path, locked)
	case err != nil || pid <= 1:
		return 0, fmt.Errorf("the pid file %s is held by a process but names none: %.40q", path, text)
	case !hasOpen(pid, file):
		return 0, fmt.Errorf("the pid file %s is held by a process, but names process %d, which is not an agent", path, pid)
	}
	return pid, nil
}

// hasOpen reports whether the process has the file open. Anybody who may read a pid file
// can lock it, so the lock alone does not show that the id is an agent's. It returns true
// if that cannot be found out.
func hasOpen(pid int, file *os.File) bool {
	held, err := file.Stat()
	if err != nil || !onLinux() {
		return true
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	open, err := os.ReadDir(dir)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return slices.ContainsFunc(open, func(fd fs.DirEntry) bool {
		target, err := os.Stat(filepath.Join(dir, fd.Name()))
		return err == nil && os.SameFile(held, target)
	})
}

// Failure returns what went wrong at the end of a process that has ended. It is
// empty after a clean stop.
func (p *Process) Failure() string {
	owner, reason := filelock.Content(p.file)
	switch {
	case owner != strconv.Itoa(p.PID):
		return "" // another agent has taken the file over
	case reason != "" && !strings.HasPrefix(reason, reloaded):
		return reason
	case safefile.Named(p.file, p.path):
		return "it was killed or crashed, and did not stop cleanly"
	}
	return ""
}

// Reload returns the number of the process's last reload, 0 before the first,
// and why it failed; empty: it did not.
func (p *Process) Reload() (n int, failure string) {
	_, text := filelock.Content(p.file)
	outcome, ok := strings.CutPrefix(text, reloaded)
	if !ok {
		return 0, ""
	}
	number, failure, _ := strings.Cut(outcome, " ")
	n, _ = strconv.Atoi(number)
	return n, failure
}

// Close closes the pid file.
func (p *Process) Close() error { return p.file.Close() }

// Exited reports whether the process has ended. A zombie has ended.
func Exited(pid int) bool {
	if !exists(pid) {
		return true
	}
	// proc(5): pid (comm) state …
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) && onLinux()
	}
	_, state, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}
