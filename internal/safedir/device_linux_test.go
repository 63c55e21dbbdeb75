package safedir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is mounted while a directory is being emptied is not in the list of
// mount points, and has another device.
func TestADirectoryOfAnotherDeviceIsNotEmptied(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "mounted meanwhile", "kept")
	require.NoError(t, os.Mkdir(filepath.Dir(kept), 0o700))
	require.NoError(t, os.WriteFile(kept, nil, 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	info, err := os.Stat("/proc")
	require.NoError(t, err)

	e := emptying{owned: new(Owned), device: device(info)}
	require.False(t, e.empty(root, dir))
	require.Equal(t, []string{filepath.Dir(kept)}, e.mounted)
	require.FileExists(t, kept)
}
