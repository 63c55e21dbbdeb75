package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a directory of values, by the names of their files. The empty one keeps
// nothing.
type Dir string

// Load reads a value as [Load] does.
func (d Dir) Load(name string, value any) error {
	if d == "" {
		return nil
	}
	_, err := Load(filepath.Join(string(d), name), value)
	return err
}

// Read reads a value as [Read] does.
func (d Dir) Read(name string, value any) error {
	if d == "" {
		return nil
	}
	_, err := Read(filepath.Join(string(d), name), value)
	return err
}

// Save replaces a value as [Save] does.
func (d Dir) Save(name string, value any) error {
	if d == "" {
		return nil
	}
	return Save(filepath.Join(string(d), name), value)
}

// Remove removes a value, if it is there.
func (d Dir) Remove(name string) error {
	if d == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(string(d), name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
