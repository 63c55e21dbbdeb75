package gitrunner

import "os"

// takeLock opens a file, which nobody can remove then.
func takeLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
