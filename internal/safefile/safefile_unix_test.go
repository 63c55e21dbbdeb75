//go:build unix

package safefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/safefile"
)

func TestOnlyRegularFilesAreOpenedAndNothingWaits(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	require.NoError(t, os.WriteFile(target, []byte("theirs"), 0o600))
	require.NoError(t, os.Symlink(target, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir"), 0o700))

	for name, kind := range map[string]string{
		"link": "a symbolic link", "dangling": "a symbolic link", "pipe": "a named pipe", "dir": "a directory",
	} {
		path := filepath.Join(dir, name)
		for _, flags := range []int{os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_TRUNC} {
			_, err := safefile.Open(path, flags, 0o600)
			var irregular *safefile.NotRegularError
			require.ErrorAs(t, err, &irregular, name)
			require.EqualError(t, err, path+" is "+kind)
		}
	}
	require.NoFileExists(t, filepath.Join(dir, "nowhere"))
	content, err := safefile.Read(target, 6)
	require.NoError(t, err)
	require.Equal(t, "theirs", string(content))
}

func TestAFileBeyondTheLimitIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 11)), 0o600))
	_, err := safefile.Read(path, 10)
	var large *safefile.TooLargeError
	require.ErrorAs(t, err, &large)
	require.EqualError(t, err, path+" is larger than 10 bytes")
	_, err = safefile.Read(path, 11)
	require.NoError(t, err)
}

func TestAFileThatWasMovedIsNotNamedAnyMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	file, err := safefile.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer file.Close()
	require.True(t, safefile.Named(file, path))
	require.NoError(t, os.Rename(path, path+".1"))
	require.False(t, safefile.Named(file, path))
	require.NoError(t, os.Symlink(path+".1", path))
	require.False(t, safefile.Named(file, path), "a link to it is not the file")
}
