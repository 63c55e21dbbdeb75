package hostmetrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
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
	content, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading what was reported before: %w", err)
	}
	if err := json.Unmarshal(content, v); err != nil {
		return false, fmt.Errorf("reading what was reported before: %s: %w", s.path, err)
	}
	return true, nil
}

// save replaces what was saved, all or nothing also when power fails.
func (s stateFile) save(v any) error {
	if s.path == "" {
		return nil
	}
	content, err := json.Marshal(v)
	if err == nil {
		err = s.replace(content)
	}
	if err != nil {
		return fmt.Errorf("remembering what was reported: %w", err)
	}
	return nil
}

func (s stateFile) replace(content []byte) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	next := s.path + ".new"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(next, s.path)
}
