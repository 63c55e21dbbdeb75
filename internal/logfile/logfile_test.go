//go:build linux

package logfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/logfile"
)

func open(t *testing.T, c logfile.Config) *logfile.File {
	t.Helper()
	f, err := logfile.Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestFilesAreBoundedToTheByteAndTheOldestGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "agent.log")
	f := open(t, logfile.Config{Path: path, MaxSize: 30, Keep: 2})
	for i := range 10 {
		_, err := fmt.Fprintf(f, "line %04d\n", i) // 10 bytes
		require.NoError(t, err)
	}
	content := func(path string) string {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(content)
	}
	require.Equal(t, "line 0009\n", content(path))
	require.Equal(t, "line 0006\nline 0007\nline 0008\n", content(path+".1"))
	require.Equal(t, "line 0003\nline 0004\nline 0005\n", content(path+".2"))
	require.NoFileExists(t, path+".3")
}

func TestNoFileIsKeptWhereNoneIsWanted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	f := open(t, logfile.Config{Path: path, MaxSize: 10})
	for _, line := range []string{"line 0001\n", "line 0002\n"} {
		_, err := f.Write([]byte(line))
		require.NoError(t, err)
	}
	require.NoFileExists(t, path+".1")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "line 0002\n", string(content))
}

func TestAnotherStartGoesOnAndRemovesWhatIsTooMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	for _, name := range []string{path, path + ".1", path + ".2", path + ".3"} {
		require.NoError(t, os.WriteFile(name, []byte("old\n"), 0o600))
	}
	f := open(t, logfile.Config{Path: path, MaxSize: 100, Keep: 1})
	_, err := f.Write([]byte("new\n"))
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old\nnew\n", string(content))
	require.FileExists(t, path+".1")
	require.NoFileExists(t, path+".2")
	require.NoFileExists(t, path+".3")
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	f := open(t, logfile.Config{Path: path, MaxSize: 1000, Keep: 1000})
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 100 {
				if _, err := f.Write([]byte("a whole line\n")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	names, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	lines := 0
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Empty(t, strings.ReplaceAll(string(content), "a whole line\n", ""))
		lines += strings.Count(string(content), "\n")
	}
	require.Equal(t, 800, lines)
}

// fullDisk returns a directory of a disk without room, which removing or
// truncating the file filler makes.
func fullDisk(t *testing.T) (dir, filler string) {
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small disk cannot be made here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	filler = filepath.Join(dir, "filler")
	require.ErrorIs(t, os.WriteFile(filler, make([]byte, 100<<10), 0o600), unix.ENOSPC)
	return dir, filler
}

// A disk that is full, at the start or later, costs lines and nothing else.
func TestAFullDiskLosesLinesUntilThereIsRoom(t *testing.T) {
	dir, filler := fullDisk(t)
	f := open(t, logfile.Config{Path: filepath.Join(dir, "agent.log"), MaxSize: 1 << 20, Keep: 1})
	_, err := f.Write([]byte("lost\n"))
	require.ErrorIs(t, err, unix.ENOSPC)
	require.NoError(t, os.Remove(filler))
	_, err = f.Write([]byte("kept\n"))
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(dir, "agent.log"))
	require.NoError(t, err)
	require.Equal(t, "kept\n", string(content))
}

func TestALineAfterOneThatTheDiskCutOffBeginsALine(t *testing.T) {
	dir, filler := fullDisk(t)
	page := os.Getpagesize()
	require.NoError(t, os.Truncate(filler, int64(64<<10-page)))
	f := open(t, logfile.Config{Path: filepath.Join(dir, "agent.log"), MaxSize: 1 << 20, Keep: 1})
	n, err := f.Write([]byte(strings.Repeat("x", page) + " lost\n"))
	require.ErrorIs(t, err, unix.ENOSPC)
	require.Equal(t, page, n)
	require.NoError(t, os.Remove(filler))
	for range 2 {
		_, err = f.Write([]byte("kept\n"))
		require.NoError(t, err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "agent.log"))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", page)+"\nkept\nkept\n", string(content))
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := logfile.Open(logfile.Config{Path: filepath.Join(file, "agent.log"), MaxSize: 100})
	require.ErrorContains(t, err, "open the log: ")
}

func TestAFileThatIsMovedDeletedOrTruncatedIsNoticedAtTheNextLine(t *testing.T) {
	for name, disturb := range map[string]func(path string) error{
		"moved":              func(path string) error { return os.Rename(path, path+".old") },
		"deleted":            os.Remove,
		"with its directory": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"truncated":          func(path string) error { return os.Truncate(path, 0) },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o640))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log", "agent.log")
			f := open(t, logfile.Config{Path: path, MaxSize: 25, Keep: 1})
			for range 2 {
				_, err := f.Write([]byte("line 0001\n"))
				require.NoError(t, err)
			}
			require.NoError(t, disturb(path))
			for range 2 { // which fit only if the first two are not counted
				_, err := f.Write([]byte("line 0002\n"))
				require.NoError(t, err)
			}
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "line 0002\nline 0002\n", string(content))
			require.NoFileExists(t, path+".1")
		})
	}
}

func TestNothingIsWrittenThroughALinkOrIntoAPipe(t *testing.T) {
	dir := t.TempDir()
	theirs := filepath.Join(dir, "theirs")
	require.NoError(t, os.WriteFile(theirs, nil, 0o600))
	link, pipe := filepath.Join(dir, "link.log"), filepath.Join(dir, "pipe.log")
	require.NoError(t, os.Symlink(theirs, link))
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	for path, want := range map[string]string{link: "a symbolic link", pipe: "a named pipe"} {
		_, err := logfile.Open(logfile.Config{Path: path, MaxSize: 100, Keep: 1})
		require.EqualError(t, err, "open the log: "+path+" is "+want)
	}

	path := filepath.Join(dir, "agent.log")
	f := open(t, logfile.Config{Path: path, MaxSize: 100, Keep: 1})
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(theirs, path))
	_, err := f.Write([]byte("line\n"))
	require.ErrorContains(t, err, path+" is a symbolic link")
	content, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Empty(t, content)
	require.NoError(t, os.Remove(path))
	_, err = f.Write([]byte("line\n"))
	require.NoError(t, err)
}
