package safedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/lodastack/agent/internal/filelock"
	"github.com/lodastack/agent/internal/safefile"
)

// lockName is the file in a directory by which a process owns it. Names that
// begin with a dot are not namespaces.
const lockName = ".lock"

// Dir is a directory of the agent.
type Dir struct {
	Path string
	// Key of the config that names it, for errors.
	Key string
	// Perm is the mode in which it is made.
	Perm fs.FileMode
}

// InUseError means that another process owns the directory at Path.
type InUseError struct {
	Path string
	// Key of the config that names it. Empty if none is known.
	Key string
	// Owner is its process id, or "unknown".
	Owner string
}

// Error says what to do.
func (e *InUseError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("directory %s is in use by process %s; stop it first", e.Path, e.Owner)
	}
	return fmt.Sprintf("%s: directory %s is in use by process %s; stop it, or give each agent directories of its own (%s)",
		e.Key, e.Path, e.Owner, e.Key)
}

// Owned are directories that this process has locked. The locks end with the process, in
// whatever way it ends.
type Owned struct {
	locks []*dirLock
	paths []string // resolved
}

// dirLock is the lock of a directory.
type dirLock struct {
	*filelock.Lock
	dir Dir
}

// Own locks the directories for this process, one after the other, and makes those that
// are missing. Its error is an [*InUseError] if another process, or another Owned of this
// one, has locked one. Any other error says what to do about a directory that cannot be
// used. Two of dirs may be the same directory.
func Own(dirs ...Dir) (*Owned, error) {
	return own(dirs, makeDir)
}

// makeDir makes the directory if it is missing, and refuses one that other users can
// change.
func makeDir(d Dir) error {
	if err := safefile.CheckDir(d.Path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.Path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(d.Path, d.Perm); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// OwnExisting is [Own] for the directories that exist, whoever they belong to.
func OwnExisting(dirs ...Dir) (*Owned, error) {
	return own(dirs, func(Dir) error { return nil })
}

func own(dirs []Dir, prepare func(Dir) error) (*Owned, error) {
	o := &Owned{}
	for _, d := range dirs {
		err := prepare(d)
		if path := safefile.Resolve(d.Path); err == nil && !slices.Contains(o.paths, path) {
			o.paths = append(o.paths, path)
			err = o.lock(d)
		}
		if err != nil {
			return nil, errors.Join(advise(d, err), o.Close())
		}
	}
	return o, nil
}

// lock locks the directory, if it exists.
func (o *Owned) lock(d Dir) error {
	l, err := take(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	o.locks = append(o.locks, &dirLock{l, d})
	return nil
}

func take(d Dir) (*filelock.Lock, error) {
	l, err := filelock.Take(filepath.Join(d.Path, lockName))
	if err == nil {
		_ = l.Write("") // the process id is only for messages, so a full disk does not prevent the start
	}
	return l, err
}

// Renew makes and locks again the directories that were removed, or whose lock was
// removed, so that no other agent takes them. It returns their paths. The error names
// those that could not be locked, or that belong to another process by now.
func (o *Owned) Renew() (renewed []string, err error) {
	if o == nil {
		return nil, nil
	}
	for _, l := range o.locks {
		if l.Named() {
			continue
		}
		next, takeErr := (*filelock.Lock)(nil), makeDir(l.dir)
		if takeErr == nil {
			next, takeErr = take(l.dir)
		}
		if takeErr != nil {
			err = errors.Join(err, advise(l.dir, takeErr))
			continue
		}
		err = errors.Join(err, l.Release())
		l.Lock = next
		renewed = append(renewed, l.dir.Path)
	}
	return renewed, err
}

// advise adds to the error the directory and what to do.
func advise(d Dir, err error) error {
	var held *filelock.HeldError
	switch {
	case errors.As(err, &held):
		return &InUseError{Path: d.Path, Key: d.Key, Owner: held.Owner}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: this user may not write into %s: do this as root or as the agent's user, or name another directory with %s (%w)", d.Key, d.Path, d.Key, err)
	}
	return fmt.Errorf("%s: %w", d.Key, err)
}

// Close unlocks the directories. It may be called more than once, and on nil.
func (o *Owned) Close() error {
	if o == nil {
		return nil
	}
	var errs []error
	for _, l := range o.locks {
		errs = append(errs, l.Release())
	}
	o.locks = nil
	return errors.Join(errs...)
}

// usedByAnother returns an error if somebody else owns the directory.
func (o *Owned) usedByAnother(dir *os.Root, path string) *InUseError {
	if slices.Contains(o.paths, path) {
		return nil
	}
	info, err := dir.Lstat(lockName)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := dir.OpenFile(lockName, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	defer file.Close()
	if !errors.Is(filelock.TryLock(file), filelock.ErrLocked) {
		return nil
	}
	owner, _ := filelock.Content(file)
	return &InUseError{Path: path, Owner: owner}
}
