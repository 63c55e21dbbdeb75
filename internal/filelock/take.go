package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/safefile"
)

// Lock is a file that this process has locked.
type Lock struct {
	file *os.File
	path string
}

// HeldError means that a process has locked the file at Path. It wraps
// [ErrLocked].
type HeldError struct {
	Path string
	// Owner is the process id that the file names, or "unknown".
	Owner string
}

// Error names the process and the file.
func (e *HeldError) Error() string {
	return fmt.Sprintf("process %s has locked %s", e.Owner, e.Path)
}

// Unwrap returns [ErrLocked].
func (e *HeldError) Unwrap() error { return ErrLocked }

// Take locks the file at path, and makes it if it does not exist. Only the process's user
// and root may open it, because everybody who can open a file can lock it. The error is a
// [*HeldError] if another process holds the lock for longer than a moment, and a
// [*safefile.NotRegularError] if path is not a regular file.
func Take(path string) (*Lock, error) {
	l, err := take(path)
	if errors.Is(err, ErrLocked) {
		time.Sleep(glance)
		l, err = take(path)
	}
	return l, err
}

// glance is longer than a process holds the lock that only checks whether the file is
// locked.
const glance = 50 * time.Millisecond

func take(path string) (*Lock, error) {
	for {
		file, err := safefile.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lock(file, path); err != nil {
			file.Close()
			return nil, err
		}
		// Whoever had locked it may have removed it since it was opened.
		if safefile.Named(file, path) {
			return &Lock{file: file, path: path}, nil
		}
		file.Close()
	}
}

// lock locks the open file for its user alone.
func lock(file *os.File, path string) error {
	if err := file.Chmod(0o600); err != nil {
		return err
	}
	err := TryLock(file)
	if errors.Is(err, ErrLocked) {
		return &HeldError{Path: path, Owner: owner(file)}
	}
	return err
}

// Write replaces the content of the file by the process id and, unless it is empty, a
// line of text.
func (l *Lock) Write(text string) error {
	content := strconv.Itoa(os.Getpid()) + "\n"
	if text != "" {
		content += strings.ReplaceAll(text, "\n", "; ") + "\n"
	}
	if _, err := l.file.WriteAt([]byte(content), 0); err != nil {
		return err
	}
	return l.file.Truncate(int64(len(content))) // truncated last, so that the process id is always there
}

// Named reports whether the file is still where it was made.
func (l *Lock) Named() bool { return safefile.Named(l.file, l.path) }

// Release unlocks the file and leaves it where it is. It may be called more
// than once, and on nil.
func (l *Lock) Release() error {
	if l == nil || l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// Remove removes the file, unless another one has its place, and unlocks it.
func (l *Lock) Remove() error {
	var err error
	if l.Named() {
		err = os.Remove(l.path)
	}
	return errors.Join(err, l.Release())
}

// most is more than the length of a process id and a line of text.
const most = 4 << 10

// Content returns what [Lock.Write] wrote into the file: the process id, or
// "unknown", and the line of text.
func Content(file *os.File) (owner, text string) {
	content, err := io.ReadAll(io.NewSectionReader(file, 0, most))
	first, rest, _ := strings.Cut(string(content), "\n")
	if err != nil || strings.TrimSpace(first) == "" {
		return "unknown", ""
	}
	return strings.TrimSpace(first), strings.TrimSpace(rest)
}

func owner(file *os.File) string {
	owner, _ := Content(file)
	return owner
}
