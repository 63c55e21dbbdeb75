package spool

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lodastack/agent/internal/filelock"
)

// lockDir locks dir for this spool.
func lockDir(dir string) (*filelock.Lock, error) {
	lock, err := filelock.Take(filepath.Join(dir, "lock"))
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("spool directory %s is in use by process %s: stop it, or give each agent a directory of its own", dir, held.Owner)
	}
	if err != nil {
		return nil, fmt.Errorf("lock spool directory %s: %w", dir, err)
	}
	_ = lock.Write("") // the process id is only for the message above, so a full disk does not prevent the start
	return lock, nil
}
