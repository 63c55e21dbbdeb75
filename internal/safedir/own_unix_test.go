//go:build unix

package safedir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/safedir"
)

// dirs returns three directories of an agent below base.
func dirs(base string) []safedir.Dir {
	return []safedir.Dir{
		{Path: filepath.Join(base, "plugins"), Key: "agent.pluginsdir", Perm: 0o755},
		{Path: filepath.Join(base, "plugins", ".agent"), Key: "agent.datadir", Perm: 0o700},
		{Path: filepath.Join(base, "log"), Key: "log.logdir", Perm: 0o755},
	}
}

func TestOneOwnerHasADirectory(t *testing.T) {
	mine := dirs(t.TempDir())
	owned, err := safedir.Own(mine...)
	require.NoError(t, err)
	for _, d := range mine {
		info, err := os.Stat(d.Path)
		require.NoError(t, err)
		require.Equal(t, d.Perm, info.Mode().Perm())

		theirs := dirs(t.TempDir())
		theirs = append(theirs, d)
		_, err = safedir.Own(theirs...)
		require.EqualError(t, err, fmt.Sprintf("%s: directory %s is in use by process %d; stop it, or give each agent directories of its own (%s)",
			d.Key, d.Path, os.Getpid(), d.Key))
		again, err := safedir.Own(theirs[:3]...)
		require.NoError(t, err, "a refusal leaves nothing locked")
		require.NoError(t, again.Close())
	}
	require.NoError(t, owned.Close())
	require.NoError(t, owned.Close(), "it may be closed more than once")
	owned, err = safedir.Own(mine...)
	require.NoError(t, err)
	require.NoError(t, owned.Close())
}

func TestOneDirectoryMayHaveTwoUses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	link := dir + "-link"
	require.NoError(t, os.Symlink(dir, link))
	owned, err := safedir.Own(safedir.Dir{Path: dir, Perm: 0o700}, safedir.Dir{Path: link, Perm: 0o700})
	require.NoError(t, err)
	require.NoError(t, owned.Close())
}

func TestADirectoryThatOthersCanWriteIntoIsNotOwned(t *testing.T) {
	mine := dirs(t.TempDir())
	require.NoError(t, os.MkdirAll(mine[2].Path, 0o700))
	require.NoError(t, os.Chmod(mine[2].Path, 0o777))
	_, err := safedir.Own(mine...)
	require.ErrorContains(t, err, "log.logdir: "+mine[2].Path+" is writable by others")
}

func TestADirectoryThatSomebodyRemovesIsOwnedAgain(t *testing.T) {
	mine := dirs(t.TempDir())
	owned, err := safedir.Own(mine...)
	require.NoError(t, err)
	defer owned.Close()
	renewed, err := owned.Renew()
	require.NoError(t, err)
	require.Empty(t, renewed, "nothing has happened")

	require.NoError(t, os.RemoveAll(mine[1].Path))
	require.NoError(t, os.Remove(filepath.Join(mine[2].Path, ".lock")))
	renewed, err = owned.Renew()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{mine[1].Path, mine[2].Path}, renewed)
	for _, d := range mine {
		_, err := safedir.Own(d)
		require.ErrorContains(t, err, d.Key+": directory "+d.Path+" is in use by process")
	}

	require.NoError(t, os.RemoveAll(mine[1].Path))
	other, err := safedir.Own(mine[1])
	require.NoError(t, err)
	defer other.Close()
	_, err = owned.Renew()
	require.ErrorContains(t, err, "is in use by process", "another one was faster")
}

func TestEmptyingLeavesWhatAnotherOwns(t *testing.T) {
	mine := dirs(t.TempDir())
	first, err := safedir.Own(mine...)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	theirs := safedir.Dir{Path: filepath.Join(mine[0].Path, ".theirs", "data"), Perm: 0o700}
	other, err := safedir.Own(theirs)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(theirs.Path, "spool"), nil, 0o600))

	owned, err := safedir.OwnExisting(mine...)
	require.NoError(t, err)
	require.NoError(t, owned.Empty(mine[1].Path))
	err = owned.Empty(mine[0].Path)
	require.EqualError(t, err, fmt.Sprintf("%s is not empty: directory %s is in use by process %d; stop it first", mine[0].Path, theirs.Path, os.Getpid()))
	require.FileExists(t, filepath.Join(theirs.Path, "spool"))
	require.NoDirExists(t, mine[1].Path)

	require.NoError(t, other.Close())
	require.NoError(t, owned.Close())
	owned, err = safedir.OwnExisting(mine...)
	require.NoError(t, err)
	defer owned.Close()
	require.NoError(t, owned.Empty(mine[0].Path))
	left, err := os.ReadDir(mine[0].Path)
	require.NoError(t, err)
	require.Empty(t, left, "its own lock goes too")
}
