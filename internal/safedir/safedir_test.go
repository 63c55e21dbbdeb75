package safedir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/safedir"
)

func TestEmptyRemovesWhatIsInsideAndNothingElse(t *testing.T) {
	outside := t.TempDir()
	kept := filepath.Join(outside, "kept")
	require.NoError(t, os.WriteFile(kept, nil, 0o600))
	dir := filepath.Join(t.TempDir(), "plugins")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ns", "project", ".git"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ns", "project", "plugin"), nil, 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".agent"), 0o700))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(kept, filepath.Join(dir, "ns", "link")))
	require.NoError(t, os.Symlink("../..", filepath.Join(dir, "up")))

	require.NoError(t, new(safedir.Owned).Empty(dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.FileExists(t, kept)
}

func TestADirectoryThatIsNotThereIsEmpty(t *testing.T) {
	require.NoError(t, new(safedir.Owned).Empty(filepath.Join(t.TempDir(), "none")))
}
