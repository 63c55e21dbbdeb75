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
	// ledgerFile holds the accounts as they were at most a ledgerInterval ago,
	// and survives power loss.
	ledgerFile     = "ledger.json"
	ledgerInterval = 10 * time.Second
	// noteName is that of the two notes, which hold the accounts as they were
	// a noteInterval ago, and survive a kill but not always power loss.
	noteName     = "ledger.recent"
	noteInterval = 25 * time.Millisecond
)

// ledgerFiles keeps the accounts from one run to the next, in a directory;
// nowhere where dir is empty.
type ledgerFiles struct {
	dir   string
	log   *slog.Logger
	notes statefile.Notes
}

// load returns the newest accounts that were saved. They are usable also where
// there is an error, which says why a file was not read.
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

// RemoveAccounts removes the accounts that are kept in dir.
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

// keep notes the accounts when points have moved, and saves them now and then,
// until stop is closed.
func (f *ledgerFiles) keep(l *ledger, stop <-chan struct{}) {
	if f.dir == "" {
		return
	}
	// A kill soon from now must not count as gone what is delivered until then.
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

// write tells whether it could.
func (f *ledgerFiles) write(accounts map[string]Account) bool {
	// What is older must not be taken for newer.
	return f.complain(errors.Join(f.notes.Save(accounts), statefile.Save(filepath.Join(f.dir, ledgerFile), accounts)))
}

func (f *ledgerFiles) complain(err error) (ok bool) {
	if err != nil {
		f.log.Warn("cannot save the accounts: a restart loses them", "error", err)
	}
	return err == nil
}
