package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	content, err := os.ReadFile(filepath.Join(string(d), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what was remembered: %w", err)
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("read what was remembered: %s is damaged and ignored: %w", filepath.Join(string(d), name), err)
	}
	return nil
}

// save replaces the file in one step, on disk when it returns: after a crash
// there is the old content or the new one.
func (d stateDir) save(name string, value any) error {
	if d == "" {
		return nil
	}
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("remember %s: %w", name, err)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("remember %s: %w", name, err)
	}
	path := filepath.Join(string(d), name)
	if err := writeSynced(path+".new", content); err != nil {
		return fmt.Errorf("remember %s: %w", name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("remember %s: %w", name, err)
	}
	return nil
}

func writeSynced(path string, content []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}
