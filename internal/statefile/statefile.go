// Package statefile keeps small values in files that are replaced as a whole:
// after a crash, or when power fails, there is the old value or the new one.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Load reads the file at path into value. Where there is no such file, found is
// false and value is left as it is.
func Load(path string, value any) (found bool, err error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what was remembered: %w", err)
	}
	if err := json.Unmarshal(content, value); err != nil {
		return false, fmt.Errorf("read what was remembered: %s is damaged and ignored: %w", path, err)
	}
	return true, nil
}

// Save replaces the file at path, and makes its directory if there is none. The
// value is on disk when it returns. One caller at a time may save a file.
func Save(path string, value any) error {
	content, err := json.Marshal(value)
	if err == nil {
		err = replace(path, content)
	}
	if err != nil {
		return fmt.Errorf("remember %s: %w", filepath.Base(path), err)
	}
	return nil
}

func replace(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir puts the new name on disk. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
