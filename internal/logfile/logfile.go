// Package logfile writes a log to a file that is exchanged when it is full:
//
//	agent.log      being written
//	agent.log.1    the one before
//	agent.log.5    the oldest that is kept
//
// The files are bounded to the byte. (lumberjack and timberjack count in
// megabytes, and keep a goroutine for as long as the process lives.)
package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Config says where the log goes, and how much of it is kept.
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

// File is a log file; it is an [io.WriteCloser]. A write that fails, because
// the disk is full, say, loses its own line; the next one tries anew. It is
// safe for concurrent use.
type File struct {
	config Config

	mu     sync.Mutex
	file   *os.File // guarded by mu; nil where it could not be opened
	size   int64    // guarded by mu
	torn   bool     // guarded by mu; the last line lacks its end
	closed bool     // guarded by mu
}

// Open opens the log file and goes on at its end. A full disk is no error:
// the file is opened when there is room.
func Open(config Config) (*File, error) {
	f := &File{config: config}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	// Files of a time when more were kept.
	for i := config.Keep + 1; os.Remove(f.name(i)) == nil; i++ {
	}
	return f, nil
}

// open opens the file where it is not open. mu is held.
func (f *File) open() error {
	if f.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.config.Path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(f.config.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write appends line, in a new file where the old one has no room for it.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	if err := f.open(); err != nil {
		return 0, err
	}
	if f.torn {
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.size++
		f.torn = false
	}
	if f.size > 0 && f.size+int64(len(line)) > f.config.MaxSize {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	f.torn = n > 0 && n < len(line)
	return n, err
}

// rotate renames the files and begins a new one. mu is held.
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
	return errors.Join(err, f.open())
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
