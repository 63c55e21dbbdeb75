//go:build unix

package spool_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/spool"
)

// A backup, for example, may hold the lock of a file.
func TestFileThatCannotBeOpenedNowIsNoDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	s := openStore(t, spool.Config{Dir: dir})
	put(t, s, batch("a", 0, 3))
	left := copyDir(t, dir)
	require.NoError(t, s.Close(t.Context()))

	release := lockFile(t, segments(t, left)[0])
	_, err := spool.Open(spool.Config{Dir: left})
	require.ErrorContains(t, err, "timeout", "not sealed, so it must be counted")
	release()
	s = openStore(t, spool.Config{Dir: left})
	require.Empty(t, s.Losses())

	release = lockFile(t, segments(t, left)[0])
	_, err = s.Next(t.Context())
	require.ErrorContains(t, err, "timeout")
	release()
	require.Equal(t, []string{"a"}, drained(t, s))
	require.Empty(t, s.Losses())
}

// lockFile locks a file until release is called.
func lockFile(t *testing.T, path string) (release func()) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	return func() { require.NoError(t, file.Close()) }
}
