package filelock_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/filelock"
)

func TestASecondTakerIsToldWhoHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Take(path)
	require.NoError(t, err)
	require.NoError(t, first.Write(""))
	_, err = filelock.Take(path)
	var held *filelock.HeldError
	require.ErrorAs(t, err, &held)
	require.ErrorIs(t, err, filelock.ErrLocked)
	require.Equal(t, filelock.HeldError{Path: path, Owner: strconv.Itoa(os.Getpid())}, *held)

	require.NoError(t, first.Release())
	require.NoError(t, first.Release(), "it may be released more than once")
	second, err := filelock.Take(path)
	require.NoError(t, err)
	require.NoError(t, second.Remove())
	require.NoFileExists(t, path)
}

func TestAnotherFileInItsPlaceIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := filelock.Take(path)
	require.NoError(t, err)
	require.True(t, l.Named())
	require.NoError(t, os.Remove(path))
	require.False(t, l.Named())
	require.NoError(t, os.WriteFile(path, []byte("another's"), 0o600))
	require.False(t, l.Named())
	require.NoError(t, l.Remove())
	require.FileExists(t, path)
}

func TestWhatIsWrittenIsReadByWhoeverHasTheFileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := filelock.Take(path)
	require.NoError(t, err)
	file := open(t, path)
	owner, text := filelock.Content(file)
	require.Equal(t, "unknown", owner)
	require.Empty(t, text)

	require.NoError(t, l.Write("the first\nand the second"))
	require.NoError(t, l.Remove())
	owner, text = filelock.Content(file)
	require.Equal(t, strconv.Itoa(os.Getpid()), owner)
	require.Equal(t, "the first; and the second", text)
}
