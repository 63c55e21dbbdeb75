package statefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/statefile"
)

func TestDirectoryKeepsValuesByTheirNames(t *testing.T) {
	dir := statefile.Dir(filepath.Join(t.TempDir(), "state"))
	var value []string
	require.NoError(t, dir.Load("value.json", &value), "there is none yet")
	require.Nil(t, value)
	require.NoError(t, dir.Save("value.json", []string{"a"}))
	require.NoError(t, dir.Load("value.json", &value))
	require.Equal(t, []string{"a"}, value)
	require.NoError(t, dir.Remove("value.json"))
	require.NoError(t, dir.Remove("value.json"), "it is gone already")
	require.NoFileExists(t, filepath.Join(string(dir), "value.json"))
}

func TestDamagedValueIsMovedAsideByItsOwnerOnly(t *testing.T) {
	dir := statefile.Dir(t.TempDir())
	path := filepath.Join(string(dir), "value.json")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	var value any
	require.ErrorAs(t, dir.Read("value.json", &value), new(*statefile.DamagedError))
	require.FileExists(t, path, "who only reads leaves it there")
	require.ErrorAs(t, dir.Load("value.json", &value), new(*statefile.DamagedError))
	require.NoFileExists(t, path)
	require.FileExists(t, path+".damaged")
	require.NoError(t, dir.Load("value.json", &value))
}

func TestNoDirectoryKeepsNothingAndTouchesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("value.json", []byte("1"), 0o600))
	var none statefile.Dir
	var value any
	require.NoError(t, none.Save("value.json", 2))
	require.NoError(t, none.Load("value.json", &value))
	require.NoError(t, none.Read("value.json", &value))
	require.NoError(t, none.Remove("value.json"))
	require.Nil(t, value)
	content, err := os.ReadFile("value.json")
	require.NoError(t, err)
	require.Equal(t, "1", string(content))
}
