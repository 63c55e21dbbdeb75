package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/filelock"
)

// parentCgroup is the cgroup above all sandboxes of one [Supervisor]. The supervisor
// holds a lock on the directory, and other programs do not remove a locked one. (The
// name cannot hold a process id instead: it would mean nothing in another PID
// namespace.)
type parentCgroup struct {
	base string
	path string
	lock *os.File
}

// parentPrefix returns the beginning of the directories' names. A lock on a
// cgroup directory is visible within one cgroup namespace only, so the name
// contains the namespace. Directories of other namespaces are left alone.
func parentPrefix() string {
	namespace, err := os.Readlink("/proc/self/ns/cgroup")
	if err != nil {
		return "agent-sandbox-" // before Linux 4.6 there are no cgroup namespaces
	}
	return "agent-sandbox-" + strings.Trim(strings.TrimPrefix(namespace, "cgroup:"), "[]") + "-"
}

// makeParent makes and locks a directory below base.
func makeParent(base string) (*parentCgroup, error) {
	for {
		path, err := os.MkdirTemp(base, parentPrefix()+"*")
		if err != nil {
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
		if err := os.Chmod(path, 0o755); err != nil { // so that plugins can read their own limits
			return nil, errors.Join(fmt.Errorf("making a cgroup: %w", err), os.Remove(path))
		}
		lock, err := lockParent(path)
		if err == nil {
			return &parentCgroup{base, path, lock}, nil
		}
		// Another program that is starting took it for stale.
		if !errors.Is(err, filelock.ErrLocked) && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("locking the cgroup %s: %w", path, err), os.Remove(path))
		}
	}
}

// lockParent returns [filelock.ErrLocked] if another program uses it, and
// [fs.ErrNotExist] if it has just been removed.
func lockParent(path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = filelock.TryLock(dir)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// remove removes the directory. No process may be in it.
func (d *parentCgroup) remove() error { return errors.Join(removeCgroup(d.path), d.lock.Close()) }

// removeStale kills the processes that a killed program has left in its sandboxes, and
// removes their cgroups.
func removeStale(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, parentPrefix()+"*"))
	for _, dir := range dirs {
		lock, err := lockParent(dir)
		if err != nil {
			continue
		}
		// The next start finds what does not die by then.
		removeCgroupWithin(500*time.Millisecond, dir, func() { killCgroup(dir) })
		lock.Close()
	}
}
