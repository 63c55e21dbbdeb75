package spool

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lodastack/agent/internal/filelock"
)

// lockDir makes this spool the only owner of dir until the lock is released.
func lockDir(dir string) (*filelock.Lock, error) {
	lock, err := filelock.Take(filepath.Join(dir, "lock"))
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("spool directory %s is in use by process %s: stop it, or give each agent a directory of its own", dir, held.Owner)
	}
	if err != nil {
		return nil, fmt.Errorf("lock spool directory %s: %w", dir, err)
	}
	_ = lock.Write("") // the process id is for the message above; a full disk is no reason not to start
	return lock, nil
}
