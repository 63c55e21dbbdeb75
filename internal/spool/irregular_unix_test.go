//go:build unix

package spool_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsNoRegularFileIsNeitherReadNorWaitedFor puts other things in the
// place of the spool's files.
func TestWhatIsNoRegularFileIsNeitherReadNorWaitedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	full := t.TempDir()
	backlog(t, full)
	pipe := func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) }
	for name, c := range map[string]struct {
		suffix string
		put    func(t *testing.T, path string)
		lost   bool
	}{
		"summary: pipe":               {".sum", pipe, false},
		"summary: link to a pipe":     {".sum", func(t *testing.T, path string) { pipe(t, path+".pipe"); link(t, path+".pipe", path) }, false},
		"summary: huge":               {".sum", huge, false},
		"summary being written: pipe": {".sum.new", pipe, false},
		"segment: pipe":               {".db", pipe, true},
		"segment: directory":          {".db", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, true},
		"segment: link":               {".db", func(t *testing.T, path string) { link(t, "/dev/zero", path) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, full)
			path := strings.TrimSuffix(segments(t, dir)[0], ".db") + c.suffix
			require.NoError(t, os.RemoveAll(path))
			c.put(t, path)
			damages, _, lost := drainDamaged(t, dir)
			if !c.lost {
				require.Zero(t, lost)
				return
			}
			require.Positive(t, lost)
			require.Less(t, lost, int64(backlogPoints/2), "only what was in one segment")
			require.Len(t, damages, 1)
			require.Contains(t, damages[0].Reason, filepath.Base(path)+" is ")
		})
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	require.NoError(t, os.Symlink(to, path))
}

// huge makes a file that takes no room and too much memory.
func huge(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, 8<<30))
}
