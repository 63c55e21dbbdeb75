package statefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/statefile"
)

func TestWhatWasSavedIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.json")
	require.NoError(t, statefile.Save(path, map[string]int{"a": 1}))
	require.NoError(t, statefile.Save(path, map[string]int{"b": 2}))

	var loaded map[string]int
	found, err := statefile.Load(path, &loaded)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, map[string]int{"b": 2}, loaded)
	require.NoFileExists(t, path+".new")
}

func TestAMissingFileIsNoFaultAndADamagedOneIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	value := 7
	found, err := statefile.Load(path, &value)
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, 7, value)

	require.NoError(t, os.WriteFile(path, []byte(`{"a":`), 0o600))
	_, err = statefile.Load(path, &value)
	require.ErrorContains(t, err, path+" is damaged")
}

func TestAFailedSaveLeavesWhatWasThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, statefile.Save(path, 1))
	require.Error(t, statefile.Save(path, make(chan int)), "has no JSON")
	require.NoError(t, os.MkdirAll(filepath.Join(path+".new", "full"), 0o700))
	require.Error(t, statefile.Save(path, 2))

	var loaded int
	_, err := statefile.Load(path, &loaded)
	require.NoError(t, err)
	require.Equal(t, 1, loaded)
}
