package gitrunner

import (
	"errors"
	"os"
	"runtime"
)

// exchangeBySteps exchanges in three renames. For a moment b does not exist,
// and a crash then leaves it missing.
func exchangeBySteps(a, b string) error {
	aside := a + ".old"
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(aside, b))
	}
	return os.Rename(aside, a)
}

// executable reports whether everybody may execute a file. Windows has no such
// permission.
func executable(mode os.FileMode) bool {
	return runtime.GOOS == "windows" || mode.Perm()&0o111 == 0o111
}
