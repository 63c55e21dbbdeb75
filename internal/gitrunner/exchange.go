package gitrunner

import (
	"errors"
	"os"
	"runtime"
)

// exchangeBySteps leaves a moment without b; a crash then leaves none.
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

// executable says whether all may execute a file. Windows has no such bits.
func executable(mode os.FileMode) bool {
	return runtime.GOOS == "windows" || mode.Perm()&0o111 == 0o111
}
