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

// blockDir is a cgroup for the cells of one block. The directory is locked
// while its block lives, and nobody else's cells are touched: the number of a
// process would say nothing to a program in another PID namespace.
type blockDir struct {
	base string
	path string
	lock *os.File
}

// blockPrefix begins the names of the blocks' directories. Locks of cgroup
// directories are seen within one cgroup namespace only, which is therefore
// part of the name: what another one has made is left alone.
func blockPrefix() string {
	namespace, err := os.Readlink("/proc/self/ns/cgroup")
	if err != nil {
		return "agent-cells-" // before Linux 4.6 there is only one
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
		if err := os.Chmod(path, 0o755); err != nil { // programs read their own limits
			return nil, fmt.Errorf("making a cgroup: %w", err)
		}
		lock, err := lockBlockDir(path)
		if err == nil {
			return &blockDir{base, path, lock}, nil
		}
		// Another program that started at this moment took it for stale.
		if !errors.Is(err, filelock.ErrLocked) && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("locking the cgroup %s: %w", path, err)
		}
	}
}

// lockBlockDir returns [filelock.ErrLocked] where the block lives, and
// [fs.ErrNotExist] where it has just been removed.
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

// remove removes the directory, which must hold no process.
func (d *blockDir) remove() error { return errors.Join(removeCgroup(d.path), d.lock.Close()) }

// removeStale ends what a killed program has left in its cells.
func removeStale(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, blockPrefix()+"*"))
	for _, dir := range dirs {
		lock, err := lockBlockDir(dir)
		if err != nil {
			continue
		}
		// What does not die by then, the next start finds.
		removeCgroupWithin(500*time.Millisecond, dir, func() { killCgroup(dir) })
		lock.Close()
	}
}
