// Package safedir manages the directories that belong to the agent. It refuses directories
// that cannot belong to it, such as those of the system and of users, locks directories
// for one process, and empties them.
package safedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/safefile"
)

// Empty removes everything inside the directory at path, and nothing else. Links that lead
// out of it are removed, not followed. A mount below it, and a directory there that another
// process owns (see [Own]), stay, with the directories above them. The error then names
// them and says what to do. A missing directory is empty. Empty refuses the directories
// that [Check] refuses.
//
// The lock of a directory that o owns is removed last: until then no other agent can take
// the directory.
func (o *Owned) Empty(path string) error {
	if err := Check(path); err != nil {
		return fmt.Errorf("empty a directory: %w", err)
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("empty a directory: %w", err)
	}
	defer root.Close()
	points, err := mountPoints()
	if err != nil {
		return fmt.Errorf("empty %s: find out what is mounted in it: %w", path, err)
	}
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("empty %s: %w", path, err)
	}
	e := emptying{owned: o, device: device(info), mountPoints: points}
	e.empty(root, safefile.Resolve(path))
	if e.err != nil {
		e.err = fmt.Errorf("empty %s: %w", path, e.err)
	}
	for _, used := range e.used {
		e.err = errors.Join(e.err, fmt.Errorf("%s is not empty: %w", path, used))
	}
	if len(e.mounted) > 0 {
		e.err = errors.Join(e.err, fmt.Errorf("%s is not empty: %s mounted in it and left alone; run umount PATH, then do this again",
			path, isOrAre(e.mounted)))
	}
	return e.err
}

// emptying is one walk of [Owned.Empty].
type emptying struct {
	owned       *Owned
	device      uint64          // of the directory that is emptied
	mountPoints map[string]bool // by resolved path
	mounted     []string        // what was left because it is a mount point
	used        []*InUseError   // what was left because another process owns it
	err         error           // the first
}

// empty removes everything in the directory at path, and reports whether nothing is left.
func (e *emptying) empty(dir *os.Root, path string) bool {
	entries, err := fs.ReadDir(dir.FS(), ".")
	e.failed(err)
	gone := err == nil
	isLock := func(entry fs.DirEntry) bool { return entry.Name() == lockName }
	if i := slices.IndexFunc(entries, isLock); i >= 0 {
		lock := entries[i]
		entries = append(slices.Delete(entries, i, i+1), lock)
	}
	for _, entry := range entries {
		gone = e.remove(dir, entry, filepath.Join(path, entry.Name())) && gone
	}
	return gone
}

// remove removes the entry of dir, whose path is given, and reports whether it is gone.
func (e *emptying) remove(dir *os.Root, entry fs.DirEntry, path string) bool {
	if e.mountPoints[path] {
		e.mounted = append(e.mounted, path)
		return false
	}
	if entry.IsDir() && !e.emptyBelow(dir, entry.Name(), path) {
		return false
	}
	err := dir.Remove(entry.Name())
	e.failed(err)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// emptyBelow empties the directory name in dir, whose path is given, unless
// another file system is mounted there: mountPoints may be out of date.
func (e *emptying) emptyBelow(dir *os.Root, name, path string) bool {
	below, err := dir.OpenRoot(name)
	if err != nil {
		e.failed(err)
		return false
	}
	defer below.Close()
	info, err := below.Stat(".")
	if err != nil {
		e.failed(err)
		return false
	}
	if device(info) != e.device {
		e.mounted = append(e.mounted, path)
		return false
	}
	if used := e.owned.usedByAnother(below, path); used != nil {
		e.used = append(e.used, used)
		return false
	}
	return e.empty(below, path)
}

func (e *emptying) failed(err error) {
	if e.err == nil && !errors.Is(err, fs.ErrNotExist) {
		e.err = err
	}
}

// isOrAre returns the beginning of a sentence about several paths: the first one and the
// number of the others.
func isOrAre(paths []string) string {
	const most = 10
	if len(paths) == 1 {
		return paths[0] + " is"
	}
	if more := len(paths) - most; more > 0 {
		return fmt.Sprintf("%s and %d more are", strings.Join(paths[:most], ", "), more)
	}
	return strings.Join(paths, ", ") + " are"
}
