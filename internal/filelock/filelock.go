// Package filelock locks files against other processes, and against other
// openings of a file in the same one. A lock ends when the file is closed or
// the process ends, however that happens.
package filelock

import "errors"

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("the file is locked by another process")
