package cell

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

// blockDir is a cgroup for the cells of one block. Its block holds a lock on
// the directory, and a directory that is locked is never removed by others. (A
// process id in its place would mean nothing in another PID namespace.)
type blockDir struct {
	base string
	path string
	lock *os.File
}

// blockPrefix returns the beginning of the directories' names. A lock on a
// cgroup directory is visible within one cgroup namespace only, so the name
// contains the namespace. Directories of other namespaces are left alone.
func blockPrefix() string {
	namespace, err := os.Readlink("/proc/self/ns/cgroup")
	if err != nil {
		return "agent-cells-" // before Linux 4.6 there are no cgroup namespaces
	}
	return "agent-cells-" + strings.Trim(strings.TrimPrefix(namespace, "cgroup:"), "[]") + "-"
}

// makeBlockDir makes and locks a directory below base.
func makeBlockDir(base string) (*blockDir, error) {
	for {
		path, err := os.MkdirTemp(base, blockPrefix()+"*")
		if err != nil {
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
		if err := os.Chmod(path, 0o755); err != nil { // so that plugins can read their own limits
			return nil, errors.Join(fmt.Errorf("making a cgroup: %w", err), os.Remove(path))
		}
		lock, err := lockBlockDir(path)
		if err == nil {
			return &blockDir{base, path, lock}, nil
		}
		// Another program that is starting took it for stale.
		if !errors.Is(err, filelock.ErrLocked) && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("locking the cgroup %s: %w", path, err), os.Remove(path))
		}
	}
}

// lockBlockDir returns [filelock.ErrLocked] if the block is in use, and
// [fs.ErrNotExist] if it has just been removed.
func lockBlockDir(path string) (*os.File, error) {
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
func (d *blockDir) remove() error { return errors.Join(removeCgroup(d.path), d.lock.Close()) }

// removeStale kills what a killed program has left in its cells.
func removeStale(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, blockPrefix()+"*"))
	for _, dir := range dirs {
		lock, err := lockBlockDir(dir)
		if err != nil {
			continue
		}
		// The next start finds what does not die by then.
		removeCgroupWithin(500*time.Millisecond, dir, func() { killCgroup(dir) })
		lock.Close()
	}
}
