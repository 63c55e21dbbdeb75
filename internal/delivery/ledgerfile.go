package delivery

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/lodastack/agent/internal/statefile"
)

const (
	// ledgerFile has the accounts, at most a ledgerInterval old. It survives
	// power loss.
	ledgerFile     = "ledger.json"
	ledgerInterval = 10 * time.Second
	// noteName is the name of the two notes with the accounts, at most a
	// noteInterval old. They survive a kill, but not always power loss.
	noteName     = "ledger.recent"
	noteInterval = 25 * time.Millisecond
)

// ledgerFiles keeps the accounts in a directory from one run to the next. If
// dir is empty, it keeps nothing.
type ledgerFiles struct {
	dir   string
	log   *slog.Logger
	notes statefile.Notes
}

// load returns the newest saved accounts. They are valid even if there is an
// error, which says why a file could not be read.
func (f *ledgerFiles) load() (map[string]Account, error) {
	if f.dir == "" {
		return nil, nil
	}
	var saved, noted map[string]Account
	_, unread := statefile.Load(filepath.Join(f.dir, ledgerFile), &saved)
	if unread != nil {
		saved = nil
	}
	f.notes.Path = filepath.Join(f.dir, noteName)
	if found, err := f.notes.Load(&noted); found && err == nil && accepted(noted) >= accepted(saved) {
		return noted, unread
	}
	return saved, unread
}

// RemoveAccounts removes the saved accounts in dir.
func RemoveAccounts(dir string) error {
	notes := statefile.Notes{Path: filepath.Join(dir, noteName)}
	err := os.Remove(filepath.Join(dir, ledgerFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, notes.Remove())
}

func accepted(accounts map[string]Account) (points int64) {
	for _, account := range accounts {
		points += account.Accepted
	}
	return points
}

// keep writes a note when points have moved, and the accounts now and then,
// until stop is closed.
func (f *ledgerFiles) keep(l *ledger, stop <-chan struct{}) {
	if f.dir == "" {
		return
	}
	// Save now: otherwise, after a kill, points that are delivered soon would
	// count as gone.
	noted := l.all()
	f.complain(f.notes.Save(noted))
	var saved map[string]Account
	due := time.NewTicker(ledgerInterval)
	defer due.Stop()
	pause := time.NewTimer(noteInterval)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-stop:
			return
		}
		select {
		case <-l.moved:
			if now := l.all(); !reflect.DeepEqual(now, noted) && f.notes.Save(now) == nil {
				noted = now
			}
		case <-due.C:
			if now := l.all(); !reflect.DeepEqual(now, saved) && f.write(now) {
				saved, noted = now, now
			}
		case <-stop:
			return
		}
		pause.Reset(noteInterval)
	}
}

// save saves the accounts as they are.
func (f *ledgerFiles) save(l *ledger) {
	if f.dir != "" {
		f.write(l.all())
	}
}

// write reports whether it succeeded.
func (f *ledgerFiles) write(accounts map[string]Account) bool {
	// Write the notes too: old ones must not be taken for newer.
	return f.complain(errors.Join(f.notes.Save(accounts), statefile.Save(filepath.Join(f.dir, ledgerFile), accounts)))
}

func (f *ledgerFiles) complain(err error) (ok bool) {
	if err != nil {
		f.log.Warn("cannot save the accounts: a restart would lose them", "error", err)
	}
	return err == nil
}
