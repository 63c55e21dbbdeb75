// Package datadir keeps two agents, or an agent and somebody who tidies up,
// from one directory of what an agent remembers.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/filelock"
)

// Lock is held until it is closed, or its process ends, however that happens.
type Lock struct{ file *os.File }

// Make makes the directory, which nobody else may look into.
func Make(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("agent.datadir: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("agent.datadir: %w", err)
	}
	return nil
}

// Take makes the directory and locks it. Where another has it, the error names
// the process.
func Take(dir string) (*Lock, error) {
	if err := Make(dir); err != nil {
		return nil, err
	}
	return TakeExisting(dir)
}

// TakeExisting locks the directory if it is there, and holds nothing if not.
func TakeExisting(dir string) (*Lock, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := filelock.TryLock(file); err != nil {
		owner, _ := os.ReadFile(path)
		file.Close()
		if errors.Is(err, filelock.ErrLocked) {
			return nil, fmt.Errorf("data directory %s is in use by process %s: stop it, or give each agent a directory of its own",
				dir, strings.TrimSpace(string(owner)))
		}
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	// The number only serves the message above: a full disk must not keep the
	// agent from starting.
	if file.Truncate(0) == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{file}, nil
}

// Close gives the directory up. It may be called more than once, and on nil.
func (l *Lock) Close() error {
	if l == nil || l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
