package hostmetrics

import (
	"path/filepath"
	"time"

	"github.com/lodastack/agent/internal/statefile"
)

// firstLook is how old an event may be that is reported if there is no saved
// state.
const firstLook = time.Hour

// stateFile keeps a value across restarts. The zero value keeps nothing.
type stateFile struct{ path string }

func newStateFile(dir, name string) stateFile {
	if dir == "" {
		return stateFile{}
	}
	return stateFile{filepath.Join(dir, name)}
}

// load reads the saved value into v. It returns false if nothing was saved.
func (s stateFile) load(v any) (bool, error) {
	if s.path == "" {
		return false, nil
	}
	return statefile.Load(s.path, v)
}

// save replaces the saved value, all or nothing even at a power failure.
func (s stateFile) save(v any) error {
	if s.path == "" {
		return nil
	}
	return statefile.Save(s.path, v)
}
