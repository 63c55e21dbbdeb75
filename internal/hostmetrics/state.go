package hostmetrics

import (
	"path/filepath"
	"time"

	"github.com/lodastack/agent/internal/statefile"
)

// firstLook is how far back the first look at a record of events goes, when
// nothing is known of an earlier one.
const firstLook = time.Hour

// stateFile keeps a value across restarts. The zero value keeps nothing.
type stateFile struct{ path string }

func newStateFile(dir, name string) stateFile {
	if dir == "" {
		return stateFile{}
	}
	return stateFile{filepath.Join(dir, name)}
}

// load fills v with what was saved. It returns false where nothing was.
func (s stateFile) load(v any) (bool, error) {
	if s.path == "" {
		return false, nil
	}
	return statefile.Load(s.path, v)
}

// save replaces what was saved, all or nothing also when power fails.
func (s stateFile) save(v any) error {
	if s.path == "" {
		return nil
	}
	return statefile.Save(s.path, v)
}
