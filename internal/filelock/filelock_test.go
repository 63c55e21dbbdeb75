package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/filelock"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

func TestOnlyOneOpeningHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	require.NoError(t, filelock.TryLock(first))
	require.ErrorIs(t, filelock.TryLock(second), filelock.ErrLocked)

	require.NoError(t, filelock.Unlock(first))
	require.NoError(t, filelock.TryLock(second))
	require.NoError(t, second.Close())
	require.NoError(t, filelock.TryLock(first), "closing gives the lock up")
}

func TestALockedFileCanBeReadAndWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	file := open(t, path)
	require.NoError(t, filelock.TryLock(file))
	_, err := file.WriteString("1234\n")
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "1234\n", string(content))
}
