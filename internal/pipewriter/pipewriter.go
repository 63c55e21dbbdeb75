// Package pipewriter writes to standard output and standard error. These may be pipes
// whose reader no longer reads, such as a pager that waits for a key, or a log driver
// that hangs. A plain write would then wait for ever, and everything that logs with it.
package pipewriter

import (
	"errors"
	"os"
	"sync"
	"time"
)

const (
	// patience is how long a write waits for a reader that read until now.
	patience = time.Second
	// chunk is how much a pipe takes at once when poll(2) calls it writable:
	// PIPE_BUF of pipe(7).
	chunk = 4096
)

// ErrNotRead is the error of a write that would have to wait for the reader.
var ErrNotRead = errors.New("nobody reads it")

// Writer writes lines to a file without waiting for longer than a second. It is
// safe for concurrent use.
type Writer struct {
	file *os.File

	mu    sync.Mutex
	stuck bool // the last write ended with ErrNotRead; guarded by mu
	torn  bool // the last line lacks its end; guarded by mu
}

// New returns a writer to file.
func New(file *os.File) *Writer { return &Writer{file: file} }

// Write writes lines. If the reader does not read, it returns [ErrNotRead] after a
// second, and from then on at once until the reader reads again. A line that was written
// only in part is ended before the next one.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.torn {
		if _, err := w.put([]byte{'\n'}); err != nil {
			return 0, err
		}
		w.torn = false
	}
	n, err := w.put(lines)
	w.torn = err != nil && n > 0 && lines[n-1] != '\n'
	return n, err
}

// put writes as much as the reader makes room for. The caller holds mu.
func (w *Writer) put(text []byte) (written int, err error) {
	for written < len(text) && err == nil {
		wait := patience
		if w.stuck {
			wait = 0
		}
		if w.stuck = !isWritable(w.file, wait); w.stuck {
			return written, ErrNotRead
		}
		var n int
		n, err = w.file.Write(text[written:min(written+chunk, len(text))])
		written += n
	}
	return written, err
}
