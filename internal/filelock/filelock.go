// Package filelock locks files against other processes, and against other open
// descriptors of the same file in this process. A lock ends when the file is closed or
// the process ends, in whatever way.
package filelock

import "errors"

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("the file is locked by another process")
