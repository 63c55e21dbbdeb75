//go:build linux

package gitrunner_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// says writes a plugin.toml beside a plugin, and returns its directory.
func says(t *testing.T, dir, content string) string {
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin.toml"), []byte(content), 0o644))
	return dir
}

func TestVersionWhosePluginTomlIsWrongIsRefusedAndTheOldOneKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := tempDir(t)
	r, repo := installed(t, "echo old", in(dir))
	repo.Write("plugin.toml", "format = \"nagios\"\nfromat = \"json\"\n", 0o644)
	repo.Commit()
	require.ErrorContains(t, r.Update(t.Context(), mysql()), "the repository cannot be used: plugin.toml:2: fromat: ")
	require.Empty(t, r.InspectPlugin(mysql()).Format)
	require.Equal(t, "old\n", run(t, r))
	requireOnlyThePlugins(t, dir, "db.example/mysql")

	repo.Write("plugin.toml", "format = \"nagios\"\n", 0o644)
	repo.Commit()
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.Equal(t, "nagios", r.InspectPlugin(mysql()).Format)
}

func TestPluginTimesOutWhenItSays(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	r := newRunner(t, "")
	began := time.Now()
	_, err := runDir(t, r, says(t, script(t, "exec sleep 100"), `timeout = "1s"`), time.Minute)
	requireResult(t, agent.RunTimeout, err)
	require.Less(t, time.Since(began), slack+3*time.Second)
}
