// Package pidfile tells which process is the running agent.
//
// A running agent holds a lock (flock(2)) on its pid file until it ends, in whatever way.
// So the process id in a file that nobody has locked means nothing, and another process
// that has this id by now is not mistaken for the agent. Only the agent's user and root
// may open the file.
package pidfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lodastack/agent/internal/filelock"
	"github.com/lodastack/agent/internal/safefile"
)

// ErrNotRunning means that no agent holds the pid file.
var ErrNotRunning = errors.New("no agent is running")

// File is a pid file that this process holds. It is not safe for concurrent
// use.
type File struct {
	lock *filelock.Lock
	path string
}

// Take writes this process's id into the pid file at path and locks it. It takes over a
// file that a dead agent left. If an agent is running, the error names it.
func Take(path string) (*File, error) {
	f, err := Hold(path)
	if err != nil {
		return nil, err
	}
	if err := f.lock.Write(""); err != nil {
		return nil, fmt.Errorf("write the pid file: %w", errors.Join(err, f.Release()))
	}
	return f, nil
}

// Hold locks the pid file at path so that no agent starts meanwhile. If an
// agent is running, the error names it.
func Hold(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, explain(path, err)
	}
	lock, err := filelock.Take(path)
	if err != nil {
		return nil, explain(path, err)
	}
	return &File{lock: lock, path: path}, nil
}

// explain adds what to do where the pid file cannot be locked.
func explain(path string, err error) error {
	var irregular *safefile.NotRegularError
	var held *filelock.HeldError
	switch {
	case errors.As(err, &irregular):
		return notPIDFile(irregular)
	case errors.As(err, &held):
		return fmt.Errorf("an agent is running already as process %s (pid file %s); stop it first (agent stop), or give this one a pid file of its own (agent.pidfile)", held.Owner, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not write the pid file %s: do this as root or as the agent's user, or name another with agent.pidfile (%w)", path, err)
	}
	return fmt.Errorf("make the pid file: %w; name another with agent.pidfile", err)
}

func notPIDFile(e *safefile.NotRegularError) error {
	return fmt.Errorf("%w; a pid file is a regular file: remove it, or name another path with agent.pidfile", e)
}

// Renew writes the pid file again if somebody has removed or replaced it, so
// that `agent stop` finds this process.
func (f *File) Renew() error {
	if f.lock.Named() {
		return nil
	}
	again, err := Take(f.path)
	if err != nil {
		return err
	}
	err = f.lock.Release()
	f.lock = again.lock
	return err
}

// Fail leaves a reason for whoever waits for the end of this process, see
// [Process.Failure].
func (f *File) Fail(reason error) error { return f.lock.Write(reason.Error()) }

// Reloaded leaves the outcome of the nth reload for whoever waits for it, see
// [Process.Reload].
func (f *File) Reloaded(n int, failure error) error {
	text := reloaded + strconv.Itoa(n)
	if failure != nil {
		text += " " + failure.Error()
	}
	return f.lock.Write(text)
}

// reloaded begins the text of a reload's outcome.
const reloaded = "reload "

// Release removes the pid file, unless it has been removed or replaced, and
// gives up the lock.
func (f *File) Release() error { return f.lock.Remove() }
