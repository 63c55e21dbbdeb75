package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/filelock"
)

// lockDir makes the process the only owner of dir until the file is closed.
// The lock ends with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open the lock of spool directory %s: %w", dir, err)
	}
	err = filelock.TryLock(file)
	if errors.Is(err, filelock.ErrLocked) {
		owner, _ := os.ReadFile(path)
		_ = file.Close()
		return nil, fmt.Errorf("spool directory %s is in use by process %s: stop it, or give each agent a directory of its own",
			dir, strings.TrimSpace(string(owner)))
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock spool directory %s: %w", dir, err)
	}
	// The process id only serves the message above: a full disk must not
	// keep the agent from starting.
	if file.Truncate(0) == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return file, nil
}

// isLockOf tells whether the locked file is still that of the directory.
func isLockOf(lock *os.File, dir string) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(filepath.Join(dir, "lock"))
	return err == nil && os.SameFile(held, named)
}
