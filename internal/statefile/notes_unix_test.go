//go:build unix

package statefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/statefile"
)

func loadNote(t *testing.T, path string) (value string, found bool) {
	t.Helper()
	n := statefile.Notes{Path: path}
	found, err := n.Load(&value)
	require.NoError(t, err)
	return value, found
}

func TestTheNewestNoteIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "note")
	_, found := loadNote(t, path)
	require.False(t, found)
	n := statefile.Notes{Path: path}
	for _, value := range []string{"a longer one", "b", "c"} {
		require.NoError(t, n.Save(value))
		loaded, found := loadNote(t, path)
		require.True(t, found)
		require.Equal(t, value, loaded)
	}
	// Another run goes on from the newest.
	again := statefile.Notes{Path: path}
	_, err := again.Load(new(string))
	require.NoError(t, err)
	require.NoError(t, again.Save("d"))
	loaded, _ := loadNote(t, path)
	require.Equal(t, "d", loaded)
}

func TestANoteThatWasCutOffLeavesTheOneBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	n := statefile.Notes{Path: path}
	require.NoError(t, n.Save("first"))  // in .1
	require.NoError(t, n.Save("second")) // in .0
	content, err := os.ReadFile(path + ".0")
	require.NoError(t, err)
	for size := range len(content) - 1 { // the line break at the end is not needed
		require.NoError(t, os.WriteFile(path+".0", content[:size], 0o600))
		loaded, found := loadNote(t, path)
		require.True(t, found)
		require.Equal(t, "first", loaded, "cut off after %d bytes", size)
	}
}

func TestWhateverHasANotesPlaceIsReplaced(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, path string){
		"a pipe":      func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) },
		"a link":      func(t *testing.T, path string) { require.NoError(t, os.Symlink("/dev/zero", path)) },
		"a directory": func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) },
		"a huge file": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			require.NoError(t, os.Truncate(path, 1<<40))
		},
		"rubbish": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x\n", 100)), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "note")
			put(t, path+".0")
			put(t, path+".1")
			_, found := loadNote(t, path)
			require.False(t, found)
			n := statefile.Notes{Path: path}
			require.NoError(t, n.Save("first"))
			require.NoError(t, n.Save("second"))
			loaded, _ := loadNote(t, path)
			require.Equal(t, "second", loaded)
		})
	}
}

func TestAStateFileThatIsNoFileOrHugeIsSetAside(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, path string){
		"a pipe":      func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) },
		"a link":      func(t *testing.T, path string) { require.NoError(t, os.Symlink("/dev/zero", path)) },
		"a directory": func(t *testing.T, path string) { require.NoError(t, os.MkdirAll(path+"/x", 0o700)) },
		"a huge file": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			require.NoError(t, os.Truncate(path, 1<<40))
		},
		"a changed value": func(t *testing.T, path string) {
			require.NoError(t, statefile.Save(path, "abc"))
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(content), "abc", "abd", 1)), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			for range 2 { // what was set aside before does not matter
				put(t, path)
				found, err := statefile.Load(path, new(string))
				require.ErrorContains(t, err, path+" is damaged and ignored")
				require.False(t, found)
				_, err = os.Lstat(path + ".damaged")
				require.NoError(t, err)
				found, err = statefile.Load(path, new(string))
				require.NoError(t, err, "the fault is said once")
				require.False(t, found)
			}
			require.NoError(t, statefile.Save(path, "new"))
		})
	}
}

func TestAStateFileOfAnEarlierVersionIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, os.WriteFile(path, []byte(`"old"`), 0o600))
	var value string
	found, err := statefile.Load(path, &value)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "old", value)
}
