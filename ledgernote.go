package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// ledgerNotes are two small files that are written in turn and in place: that
// needs no room on a full disk, and a kill spoils no more than the one that is
// being written. The kernel puts them on disk when it likes: they survive a
// kill, but not always power loss.
type ledgerNotes struct {
	dir  stateDir
	last int64 // number of the last note
}

// note is what a file holds, after its checksum and a line break. What follows
// it is left of a longer note.
type note struct {
	Number   int64              `json:"number"`
	Accounts map[string]Account `json:"accounts"`
}

func (n *ledgerNotes) path(number int64) string {
	return filepath.Join(string(n.dir), fmt.Sprintf("ledger.recent.%d", number%2))
}

// write writes the next note.
func (n *ledgerNotes) write(accounts map[string]Account) (err error) {
	if n.dir == "" {
		return nil
	}
	content, err := json.Marshal(note{n.last + 1, accounts})
	if err != nil {
		return fmt.Errorf("note the accounts: %w", err)
	}
	if err := os.MkdirAll(string(n.dir), 0o700); err != nil {
		return fmt.Errorf("note the accounts: %w", err)
	}
	file, err := os.OpenFile(n.path(n.last+1), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("note the accounts: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content = append(content, '\n')
	if _, err := file.WriteAt(append(noteHead(content), content...), 0); err != nil {
		return fmt.Errorf("note the accounts: %w", err)
	}
	n.last++
	return nil
}

// read returns the newest note, nil where there is none.
func (n *ledgerNotes) read() map[string]Account {
	var newest note
	if n.dir == "" {
		return nil
	}
	for turn := range int64(2) {
		file, err := os.ReadFile(n.path(turn))
		if err != nil {
			continue
		}
		head, rest, _ := bytes.Cut(file, []byte("\n"))
		content, _, _ := bytes.Cut(rest, []byte("\n"))
		content = append(bytes.Clone(content), '\n')
		var found note
		if !bytes.Equal(append(head, '\n'), noteHead(content)) || json.Unmarshal(content, &found) != nil {
			continue
		}
		if found.Number > newest.Number {
			newest = found
		}
	}
	n.last = newest.Number
	return newest.Accounts
}

// noteHead is the checksum of a note.
func noteHead(content []byte) []byte { return fmt.Appendf(nil, "%08x\n", crc32.ChecksumIEEE(content)) }
