package gitrunner

import (
	"errors"
	"os"

	"github.com/lodastack/agent/internal/filelock"
)

// takeLock locks a file until it is closed, if nobody else has.
func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := filelock.TryLock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
