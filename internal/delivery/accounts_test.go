package delivery_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/statefile"
)

// accountsOf returns the accounts of a namespace that took so many points.
func accountsOf(points int64) map[string]delivery.Account {
	return map[string]delivery.Account{"ns": {Accepted: points, Delivered: points}}
}

// The ledger survives power loss, the notes beside it are newer as a rule.
func TestTheNewestAccountsThatCanBeReadAreTaken(t *testing.T) {
	ledger := func(points int64) func(dir string) error {
		return func(dir string) error { return statefile.Save(filepath.Join(dir, "ledger.json"), accountsOf(points)) }
	}
	note := func(points int64) func(dir string) error {
		return func(dir string) error {
			notes := statefile.Notes{Path: filepath.Join(dir, "ledger.recent")}
			return notes.Save(accountsOf(points))
		}
	}
	damaged := func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(`{"ns":{"accepted":99,"delivered":99},"other":"no account"}`), 0o600)
	}
	for name, c := range map[string]struct {
		saved    []func(dir string) error
		points   int64
		warnings int
	}{
		"the note is newer":                  {[]func(string) error{ledger(4), note(9)}, 9, 0},
		"power loss took the newer note":     {[]func(string) error{ledger(9), note(4)}, 9, 0},
		"there is no note":                   {[]func(string) error{ledger(4)}, 4, 0},
		"there is no ledger yet":             {[]func(string) error{note(4)}, 4, 0},
		"the ledger is damaged":              {[]func(string) error{damaged, note(4)}, 4, 1},
		"the ledger is damaged, and no note": {[]func(string) error{damaged}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				for _, save := range c.saved {
					require.NoError(t, save(dir))
				}
				e := newEngine(t, nil, dir)
				require.Equal(t, c.points, e.account().Accepted)
				require.Equal(t, c.warnings, e.log.count("cannot read the saved accounts"))
				require.Equal(t, c.warnings, e.log.count("level=WARN"))
				e.close()
			})
		})
	}
}
