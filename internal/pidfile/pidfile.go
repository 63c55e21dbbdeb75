// Package pidfile tells which process is the running agent.
//
// A running agent holds a lock (flock(2)) on its pid file until it ends,
// however it ends. So the number in a file that nobody has locked means
// nothing, and one that by now belongs to another program is not mistaken. Only
// the user that the agent runs as, and root, may open the file.
package pidfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/filelock"
)

// ErrNotRunning says that no agent holds the pid file.
var ErrNotRunning = errors.New("no agent is running")

// File is a pid file that this process holds.
type File struct {
	file *os.File
	path string
}

// Take writes this process's number into the pid file at path and locks it. A
// file that a dead agent left is taken over. Where an agent is running, the
// error names it.
func Take(path string) (*File, error) {
	f, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	err = f.file.Truncate(0)
	if err == nil {
		_, err = f.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("write the pid file: %w", errors.Join(err, f.Release()))
	}
	return f, nil
}

// Hold locks the pid file at path so that no agent starts meanwhile. Where an
// agent is running, the error names it.
func Hold(path string) (*File, error) { return lockFile(path) }

// glance is longer than [Running] holds the lock of a file that no agent has.
const glance = 50 * time.Millisecond

// lockFile opens and locks the file that is at path.
func lockFile(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, notMade(path, err)
	}
	for waited := false; ; {
		file, err := openOwn(path)
		if err != nil {
			return nil, notMade(path, err)
		}
		err = filelock.TryLock(file)
		// Whoever held it may have removed it since it was opened.
		if err == nil && same(file, path) {
			return &File{file: file, path: path}, nil
		}
		pid := read(file)
		file.Close()
		switch {
		case err == nil:
		case !errors.Is(err, filelock.ErrLocked):
			return nil, fmt.Errorf("lock the pid file %s: %w", path, err)
		case waited:
			return nil, fmt.Errorf("an agent is running already as process %s (pid file %s); stop it first (agent stop), or give this one a pid file of its own", pid, path)
		default:
			time.Sleep(glance)
			waited = true
		}
	}
}

// openOwn opens the pid file at path, which nobody else may open from then on:
// whoever can open it can lock it, and so keep the agent from starting.
func openOwn(path string) (*os.File, error) {
	file, err := openRegular(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(0o600); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openRegular opens what is at path where it is a regular file or, with
// O_CREATE, nothing. It neither follows a link nor waits for a pipe.
func openRegular(path string, flags int) (*os.File, error) {
	// What is no regular file may not even be opened; O_NOFOLLOW and the second
	// look are for what takes its place meanwhile.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &irregularError{path, info.Mode()}
	}
	file, err := os.OpenFile(path, flags|dontFollowOrWait, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &irregularError{path, info.Mode()}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// irregularError says that something else has the pid file's place.
type irregularError struct {
	path string
	mode fs.FileMode
}

func (e *irregularError) Error() string {
	what := "no regular file"
	switch e.mode.Type() {
	case fs.ModeSymlink:
		what = "a symbolic link"
	case fs.ModeDir:
		what = "a directory"
	case fs.ModeNamedPipe:
		what = "a named pipe"
	}
	return fmt.Sprintf("%s is %s, which is no pid file; remove it, or name another path with agent.pidfile", e.path, what)
}

// notMade says what to do where the pid file cannot be opened or made.
func notMade(path string, err error) error {
	var irregular *irregularError
	switch {
	case errors.As(err, &irregular):
		return err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not write the pid file %s: do this as root or as the agent's user, or name another with agent.pidfile (%w)", path, err)
	}
	return fmt.Errorf("make the pid file: %w; name another with agent.pidfile", err)
}

// same tells whether path still names file.
func same(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}

// Release removes the pid file and gives up the lock.
func (f *File) Release() error {
	return errors.Join(os.Remove(f.path), f.file.Close())
}

// Running returns the number of the process that holds the pid file at path.
// The error wraps [ErrNotRunning] where none does, and says why.
func Running(path string) (int, error) {
	file, err := openRegular(path, os.O_RDONLY)
	var irregular *irregularError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("%w: there is no pid file %s", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return 0, fmt.Errorf("this user may not read the pid file %s: do this as root or as the agent's user (%w)", path, err)
	case errors.As(err, &irregular):
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("open the pid file: %w", err)
	}
	defer file.Close()
	text := read(file)
	pid, err := strconv.Atoi(text)
	switch locked := filelock.TryLock(file); {
	case locked == nil && err == nil:
		return 0, fmt.Errorf("%w: the pid file %s names process %d, which is no agent of this file", ErrNotRunning, path, pid)
	case locked == nil:
		return 0, fmt.Errorf("%w: the pid file %s names no process", ErrNotRunning, path)
	case !errors.Is(locked, filelock.ErrLocked):
		return 0, fmt.Errorf("look at the lock of the pid file %s: %w", path, locked)
	case err != nil || pid <= 1:
		return 0, fmt.Errorf("the pid file %s is held by a process but names none: %.40q", path, text)
	case !hasOpen(pid, file):
		return 0, fmt.Errorf("the pid file %s is held by a process, but not by %d, which it names: that is no agent", path, pid)
	}
	return pid, nil
}

// hasOpen tells whether the process has the file open. Anybody who may read a
// pid file can lock it, so the lock alone does not make its number an agent's.
// It is true where that cannot be found out.
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

// read returns what the pid file says.
func read(file *os.File) string {
	content, err := io.ReadAll(io.NewSectionReader(file, 0, 64))
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(content))
}

// Exited tells whether the process has ended; one that its parent has not yet
// waited for has.
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
