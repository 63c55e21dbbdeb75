package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// Notes keeps the newest of many values in two files, PATH.0 and PATH.1. A kill
// during a write spoils at most the file that is being written; the other one
// holds the value before. It is not safe for concurrent use.
type Notes struct {
	// Path is that of the files, without their numbers.
	Path string

	number int64 // of the newest note
}

// note is what a file holds, as a line, after its checksum. What follows the
// line is left of a longer note.
type note struct {
	Number int64           `json:"number"`
	Value  json.RawMessage `json:"value"`
}

// Load reads the newest value, and leaves value as it is where there is none.
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
	return true, json.Unmarshal(newest.Value, value)
}

func (n *Notes) read(turn int64) (read note, ok bool) {
	content, err := os.ReadFile(n.path(turn))
	if err != nil {
		return note{}, false
	}
	sum, rest, _ := bytes.Cut(content, []byte("\n"))
	body, _, _ := bytes.Cut(rest, []byte("\n"))
	ok = bytes.Equal(append(sum, '\n'), checksum(body)) && json.Unmarshal(body, &read) == nil
	return read, ok
}

// Save writes value as the newest, and makes the directory if there is none.
func (n *Notes) Save(value any) (err error) {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if content, err = json.Marshal(note{n.number + 1, content}); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(n.Path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(n.path(n.number+1), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err = file.WriteAt(append(append(checksum(content), content...), '\n'), 0); err == nil {
		n.number++
	}
	return err
}

func (n *Notes) path(number int64) string { return fmt.Sprintf("%s.%d", n.Path, number%2) }

func checksum(content []byte) []byte { return fmt.Appendf(nil, "%08x\n", crc32.ChecksumIEEE(content)) }
