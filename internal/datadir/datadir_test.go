package datadir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/datadir"
)

func TestADirectoryHasOneOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins", "data")
	first, err := datadir.Take(dir)
	require.NoError(t, err)
	for _, take := range []func(string) (*datadir.Lock, error){datadir.Take, datadir.TakeExisting} {
		_, err = take(dir)
		require.EqualError(t, err, fmt.Sprintf("data directory %s is in use by process %d: stop it, or give each agent a directory of its own", dir, os.Getpid()))
	}
	require.NoError(t, first.Close())
	require.NoError(t, first.Close(), "again")
	second, err := datadir.TakeExisting(dir)
	require.NoError(t, err)
	require.NoError(t, second.Close())
}

func TestADirectoryThatIsNotThereIsNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	lock, err := datadir.TakeExisting(dir)
	require.NoError(t, err)
	require.NoDirExists(t, dir)
	require.NoError(t, lock.Close())
}
