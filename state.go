package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lodastack/agent/internal/statefile"
)

// stateDir keeps small files from one run of the agent to the next. The empty
// one keeps nothing.
type stateDir string

// load reads the file into value and leaves it as it is where there is no such
// file.
func (d stateDir) load(name string, value any) error {
	if d == "" {
		return nil
	}
	_, err := statefile.Load(filepath.Join(string(d), name), value)
	return err
}

// save replaces the file as a whole, on disk when it returns.
func (d stateDir) save(name string, value any) error {
	if d == "" {
		return nil
	}
	return statefile.Save(filepath.Join(string(d), name), value)
}

// remove removes the file, if it is there.
func (d stateDir) remove(name string) error {
	if err := os.Remove(filepath.Join(string(d), name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
