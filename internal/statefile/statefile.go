// Package statefile keeps small values over restarts, in two ways:
//
//   - [Save] replaces a file atomically. After a crash or a power cut, the file has
//     the old value or the new one.
//   - [Notes] writes two files in turn and in place. That needs no room on a
//     full disk and no fsync, so it can be done often. It survives a kill, but
//     not always a power cut.
//
// Values are JSON with a checksum. A file that is damaged, larger than
// [MaxSize] or not a regular file is moved aside, to PATH.damaged, so that the
// next save succeeds and a person can look at it.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/lodastack/agent/internal/safefile"
)

// MaxSize bounds a file, in bytes.
const MaxSize = 64 << 20

// DamagedError means that no later read of the file at Path can succeed.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("load state: %s is damaged and ignored: %v", e.Path, e.Err)
}

// Unwrap returns what is wrong with the file.
func (e *DamagedError) Unwrap() error { return e.Err }

// Load reads the file at path into value. If there is no such file, found is
// false and value is left as it is. The error is a [*DamagedError] if the file
// was damaged and moved aside; value is then unchanged or partly filled.
func Load(path string, value any) (found bool, err error) {
	found, err = Read(path, value)
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		damaged.Err = errors.Join(damaged.Err, setAside(path))
	}
	return found, err
}

// Read is [Load] for a caller that does not own the file: a damaged file is not moved.
func Read(path string, value any) (found bool, err error) {
	content, err := safefile.Read(path, MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil && !unusable(err):
		return false, fmt.Errorf("load state: %w", err)
	case err == nil:
		// Files of versions before the checksum are JSON alone.
		body, sum, checked := bytes.Cut(content, []byte("\n"))
		if checked && !bytes.Equal(sum, checksum(body)) {
			err = errors.New("the checksum is wrong")
		} else {
			err = json.Unmarshal(body, value)
		}
	}
	if err != nil {
		return false, &DamagedError{path, err}
	}
	return true, nil
}

// unusable reports whether no later read of the file can succeed.
func unusable(err error) bool {
	return errors.As(err, new(*safefile.NotRegularError)) || errors.As(err, new(*safefile.TooLargeError))
}

// setAside renames the file at path, and replaces the file that was set aside before.
func setAside(path string) error {
	aside := path + ".damaged"
	if info, err := os.Lstat(aside); err == nil && info.IsDir() {
		if err := os.RemoveAll(aside); err != nil {
			return err
		}
	}
	return os.Rename(path, aside)
}

// Save replaces the file at path, and makes its directory if there is none. The
// value is on disk when it returns. One caller at a time may save a file.
func Save(path string, value any) error {
	content, err := encode(value)
	if err == nil {
		err = replace(path, append(append(content, '\n'), checksum(content)...))
	}
	if err != nil {
		return fmt.Errorf("save state %s: %w", filepath.Base(path), err)
	}
	return nil
}

// encode returns value as JSON, which has no line break in it.
func encode(value any) ([]byte, error) {
	content, err := json.Marshal(value)
	if err == nil && len(content)+checksumSize+1 > MaxSize {
		err = fmt.Errorf("%d bytes are more than the %d that are read again", len(content), MaxSize)
	}
	return content, err
}

// checksumSize is the length of a checksum.
const checksumSize = len("00000000\n")

// checksum returns the CRC-32 of content in hexadecimal, as a line.
func checksum(content []byte) []byte { return fmt.Appendf(nil, "%08x\n", crc32.ChecksumIEEE(content)) }

func replace(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := safefile.Open(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if errors.As(err, new(*safefile.NotRegularError)) && os.Remove(path+".new") == nil {
		file, err = safefile.Open(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
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
