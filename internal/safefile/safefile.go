// Package safefile opens the agent's own files, and checks who else may change or read
// them.
//
// Open and Read accept only regular files: they do not follow a symbolic link in the last
// part of a path, and do not wait for the other end of a pipe. So a user who can write into
// a directory cannot make the agent write elsewhere, hang, or read without end.
package safefile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
)

// NotRegularError means that something other than a regular file is at Path.
type NotRegularError struct {
	Path string
	Mode fs.FileMode
}

// Error names the path and what is there.
func (e *NotRegularError) Error() string { return fmt.Sprintf("%s is %s", e.Path, e.Kind()) }

// Kind says what is at the path, such as "a symbolic link".
func (e *NotRegularError) Kind() string {
	switch e.Mode.Type() {
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a named pipe"
	}
	return "not a regular file"
}

// TooLargeError means that the file at Path is larger than Limit bytes.
type TooLargeError struct {
	Path  string
	Limit int64
}

// Error names the path and the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than %d bytes", e.Path, e.Limit)
}

// Open opens the file at path as [os.OpenFile] does. Its error is a
// [*NotRegularError] if something other than a regular file is there.
func Open(path string, flags int, perm fs.FileMode) (*os.File, error) {
	// A device must not even be opened. The second check is for a file that is replaced
	// after the first.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &NotRegularError{path, info.Mode()}
	}
	file, err := os.OpenFile(path, flags|noFollowOrWait, perm)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &NotRegularError{path, info.Mode()}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Read returns the content of the file at path. Its error is a [*TooLargeError] beyond
// limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() > limit {
		return nil, cmp.Or(err, error(&TooLargeError{path, limit}))
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1)) // it may grow, and /proc has no sizes
	if err == nil && int64(len(content)) > limit {
		return nil, &TooLargeError{path, limit}
	}
	return content, err
}

// Named reports whether path still names the open file.
func Named(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}

// Resolve follows the symbolic links in the part of path that exists.
func Resolve(path string) string {
	path = filepath.Clean(path)
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(Resolve(parent), filepath.Base(path))
}

// Unseen explains an error of permission: this user cannot check the file at path. It
// returns other errors unchanged.
func Unseen(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	name := "of this process"
	if self, err := user.Current(); err == nil {
		name = self.Username
	}
	return fmt.Errorf("%s cannot be checked as the user %s: do this as root or as the agent's user (%w)", path, name, err)
}
