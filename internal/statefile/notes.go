package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lodastack/agent/internal/safefile"
)

// Notes keeps the newest of many values in two files, PATH.0 and PATH.1. A kill
// during a write spoils at most the file that is being written; the other one
// holds the value before. It is not safe for concurrent use.
type Notes struct {
	// Path is that of the files, without their numbers.
	Path string

	number int64 // of the newest note
}

// note is the content of a file, as a line after its checksum. Anything after the line is
// the rest of a longer note.
type note struct {
	Number int64           `json:"number"`
	Value  json.RawMessage `json:"value"`
}

// Load reads the newest value, and leaves value as it is if there is none.
// A file that cannot be read counts as absent: the next two writes replace it. Call Load
// before the first Save of a run, which continues from the newest note.
func (n *Notes) Load(value any) (found bool, err error) {
	var newest note
	for turn := range int64(2) {
		if read, ok := n.read(turn); ok && read.Number > newest.Number {
			newest = read
		}
	}
	if newest.Number == 0 {
		return false, nil
	}
	n.number = newest.Number
	if err := json.Unmarshal(newest.Value, value); err != nil {
		return false, fmt.Errorf("load note %s: %w", filepath.Base(n.Path), err)
	}
	return true, nil
}

// read returns the note in the file of the turn, if there is a good one.
func (n *Notes) read(turn int64) (read note, ok bool) {
	content, err := safefile.Read(n.path(turn), MaxSize)
	if err != nil {
		return note{}, false
	}
	sum, rest, _ := bytes.Cut(content, []byte("\n"))
	body, _, _ := bytes.Cut(rest, []byte("\n"))
	ok = bytes.Equal(append(sum, '\n'), checksum(body)) && json.Unmarshal(body, &read) == nil
	return read, ok
}

// Save writes value as the newest, and makes the directory if there is none.
func (n *Notes) Save(value any) error {
	err := n.save(value)
	if err != nil {
		return fmt.Errorf("save note %s: %w", filepath.Base(n.Path), err)
	}
	n.number++
	return nil
}

func (n *Notes) save(value any) (err error) {
	content, err := encode(value)
	if err != nil {
		return err
	}
	if content, err = json.Marshal(note{n.number + 1, content}); err != nil {
		return err
	}
	file, err := n.open(n.path(n.number + 1))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.WriteAt(append(append(checksum(content), content...), '\n'), 0)
	return err
}

// Remove removes both files, so that the next Save is the first.
func (n *Notes) Remove() error {
	n.number = 0
	return errors.Join(os.RemoveAll(n.path(0)), os.RemoveAll(n.path(1)))
}

// open opens the file to write. It first removes what is at its path, if that is not a
// regular file or is too large to be read again.
func (n *Notes) open(path string) (*os.File, error) {
	file, err := safefile.Open(path, os.O_WRONLY|os.O_CREATE, 0o600)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		return safefile.Open(path, os.O_WRONLY|os.O_CREATE, 0o600)
	case errors.As(err, new(*safefile.NotRegularError)):
		if err := setAside(path); err != nil {
			return nil, err
		}
		return safefile.Open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	case err != nil:
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() > MaxSize {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (n *Notes) path(number int64) string { return fmt.Sprintf("%s.%d", n.Path, number%2) }
