package gitrunner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/filelock"
)

// session is a directory for clones that are not installed yet, and for
// versions that are not installed any more. It is beside the plugins, so that
// they can be renamed into place. Its runner holds a lock on it, and a later
// runner removes sessions that are not locked.
type session struct {
	dir  string
	lock *filelock.Lock
}

// Directories of sessions.
const (
	sessionsName = ".agent-clones" // of runners
	headsName    = ".agent-heads"  // of repositories that are read
)

func openSession(pluginsDir, name string) (*session, error) {
	parent := filepath.Join(pluginsDir, name)
	if err := makeDir(pluginsDir, 0o755); err != nil {
		return nil, fmt.Errorf("agent.pluginsdir: %w", err)
	}
	if err := makeDir(parent, 0o711); err != nil {
		return nil, fmt.Errorf("agent.pluginsdir: %w", err)
	}
	if err := removeDeadSessions(parent); err != nil {
		return nil, fmt.Errorf("removing unfinished clones: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		return nil, fmt.Errorf("agent.pluginsdir: %w", err)
	}
	// A plugin may still run in an old version here.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fmt.Errorf("agent.pluginsdir: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), os.RemoveAll(dir))
	}
	return &session{dir, lock}, nil
}

// removeDeadSessions removes sessions that no runner has locked. If another runner is
// just making one, that one has no lock yet: it is removed too, and making that runner
// fails.
func removeDeadSessions(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		lock, err := filelock.Take(filepath.Join(dir, "lock"))
		if err != nil {
			continue
		}
		errs = append(errs, removeDead(dir))
		errs = append(errs, lock.Release())
	}
	return errors.Join(errs...)
}

// removeDead removes the session of an agent that was killed. A program that its git had
// started may write there for a moment more.
func removeDead(dir string) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.RemoveAll(dir)
		if !errors.Is(err, syscall.ENOTEMPTY) || time.Now().After(end) {
			return err
		}
	}
}

// tempDir returns a new directory for a clone.
func (s *session) tempDir() (string, error) {
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		return "", fmt.Errorf("making a directory for the clone: %w", err)
	}
	return dir, nil
}

// close may be called more than once.
func (s *session) close() error {
	return errors.Join(s.lock.Release(), os.RemoveAll(s.dir))
}

// makeDir makes a directory with this mode, whatever the umask.
func makeDir(dir string, mode os.FileMode) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}
