// Package logfile writes a log to a file that is rotated when it is full:
//
//	agent.log      being written
//	agent.log.1    the one before
//	agent.log.5    the oldest that is kept
//
// A file that somebody moves, deletes or truncates is noticed at the next line.
// Files are bounded to the byte. (lumberjack and timberjack count in megabytes,
// and keep a goroutine for as long as the process lives.)
package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/lodastack/agent/internal/safefile"
)

// Config is the place of the log, and how much of it is kept.
type Config struct {
	// Path of the file that is being written. Its directory is made if it is
	// not there.
	Path string
	// MaxSize is how large a file becomes, in bytes, unless a single write is
	// larger.
	MaxSize int64
	// Keep is the number of full files that are kept.
	Keep int
}

// File is a log file; it is an [io.WriteCloser]. A write that fails, on a full
// disk for example, loses its own line; the next one tries again. It is safe
// for concurrent use.
type File struct {
	config Config

	mu     sync.Mutex
	file   *os.File // guarded by mu; nil if it could not be opened
	torn   bool     // guarded by mu; the last line lacks its end
	closed bool     // guarded by mu
}

// Open opens the log file and continues at its end. A full disk is not an error:
// the file is opened when there is room. A symbolic link, a pipe or anything
// else that is not a regular file is refused.
func Open(config Config) (*File, error) {
	f := &File{config: config}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.open(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	// Files from when more were kept.
	for i := config.Keep + 1; os.Remove(f.name(i)) == nil; i++ {
	}
	return f, nil
}

// open opens the file, unless it is open and still has its name, and returns
// its size. mu is held.
func (f *File) open() (size int64, err error) {
	if f.file != nil {
		// If that cannot be found out now, no line is lost because of it.
		named, err := os.Lstat(f.config.Path)
		open, openErr := f.file.Stat()
		if openErr == nil && (err == nil && os.SameFile(named, open) || err != nil && !errors.Is(err, fs.ErrNotExist)) {
			return open.Size(), nil
		}
		f.file.Close()
		f.file, f.torn = nil, false
	}
	if err := os.MkdirAll(filepath.Dir(f.config.Path), 0o755); err != nil {
		return 0, err
	}
	file, err := safefile.Open(f.config.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, errors.Join(err, file.Close())
	}
	f.file = file
	return info.Size(), nil
}

// Write appends line, in a new file where the old one has no room for it.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	size, err := f.open()
	if err != nil {
		return 0, err
	}
	if f.torn {
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		size++
		f.torn = false
	}
	if size > 0 && size+int64(len(line)) > f.config.MaxSize {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	f.torn = n > 0 && n < len(line)
	return n, err
}

// rotate renames the files and starts a new one. mu is held.
func (f *File) rotate() error {
	err := f.file.Close()
	f.file = nil
	if f.config.Keep == 0 {
		err = errors.Join(err, os.Remove(f.config.Path))
	}
	for i := f.config.Keep; i > 0; i-- {
		if moved := os.Rename(f.name(i-1), f.name(i)); moved != nil && !errors.Is(moved, fs.ErrNotExist) {
			err = errors.Join(err, moved)
		}
	}
	_, openErr := f.open()
	return errors.Join(err, openErr)
}

// name returns the path of the i-th file, of which the 0th is being written.
func (f *File) name(i int) string {
	if i == 0 {
		return f.config.Path
	}
	return fmt.Sprintf("%s.%d", f.config.Path, i)
}

// Close closes the file. It may be called more than once.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
