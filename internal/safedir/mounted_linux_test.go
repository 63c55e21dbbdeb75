package safedir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/safedir"
)

// mount mounts source at target until the test ends.
func mount(t *testing.T, source, target, kind string, flags uintptr) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		t.Skipf("mounting is not possible here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(target, unix.MNT_DETACH)) })
}

func TestEmptyDoesNotEnterWhatIsMountedBelow(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		flags      uintptr
	}{
		{"a bind mount of the same disk", "", unix.MS_BIND},
		{"another file system", "tmpfs", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "plugins")
			target := filepath.Join(dir, "ns", "my project", "data")
			require.NoError(t, os.MkdirAll(target, 0o700))
			mount(t, t.TempDir(), target, c.kind, c.flags)
			kept := filepath.Join(target, "kept")
			require.NoError(t, os.WriteFile(kept, nil, 0o600))
			gone := filepath.Join(dir, "ns", "my project", "plugin")
			require.NoError(t, os.WriteFile(gone, nil, 0o700))
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "other", "project"), 0o700))

			require.EqualError(t, new(safedir.Owned).Empty(dir), dir+" is not empty: "+target+
				" is mounted in it and left alone; run umount PATH, then do this again")
			require.FileExists(t, kept)
			require.NoFileExists(t, gone)
			require.NoDirExists(t, filepath.Join(dir, "other"))
		})
	}
}

func TestEmptyLeavesAFileThatIsMounted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	source, target := filepath.Join(t.TempDir(), "source"), filepath.Join(dir, "file")
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, path := range []string{source, target} {
		require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	}
	mount(t, source, target, "", unix.MS_BIND)
	require.ErrorContains(t, new(safedir.Owned).Empty(dir), target+" is mounted in it")
	require.FileExists(t, source)
}

func TestADirectoryThatIsAMountPointItselfIsEmptied(t *testing.T) {
	dir := t.TempDir()
	mount(t, "none", dir, "tmpfs", 0)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	require.NoError(t, new(safedir.Owned).Empty(dir))
	require.NoFileExists(t, filepath.Join(dir, "file"))
}
