package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANewPluginPassesItsTest(t *testing.T) {
	for language, needs := range map[string]string{"sh": "sh", "python": "python3", "go": "go"} {
		t.Run(language, func(t *testing.T) {
			if _, err := exec.LookPath(needs); err != nil {
				t.Skip(needs + " is not installed")
			}
			dir := filepath.Join(openTempDir(t), "entries")
			r := execute(t, "plugin", "new", dir, "--lang", language)
			require.Equal(t, 0, r.code, r.stderr)
			require.Contains(t, r.stdout, "agent plugin test "+dir)
			if language == "go" {
				require.Contains(t, r.stdout, "(cd "+dir+" && CGO_ENABLED=0 go build -o plugin .)")
				build := exec.CommandContext(t.Context(), "go", "build", "-o", "plugin", ".")
				build.Dir = dir
				output, err := build.CombinedOutput()
				require.NoError(t, err, "%s", output)
			}
			r = execute(t, "plugin", "test", dir, "--", "/etc", "/proc/self")
			require.Equal(t, 0, r.code, r.stdout)
			require.Contains(t, r.stdout, "PLUGIN.entries.entries,dir=/etc value=")
			require.Equal(t, 0, execute(t, "plugin", "test", dir).code, "without arguments, too")
		})
	}
}

func TestANewPluginOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin"), nil, 0o600))
	r := execute(t, "plugin", "new", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, dir+" is not empty (plugin is there): name another directory")
	r = execute(t, "plugin", "new", "--lang", "rust", filepath.Join(dir, "new"))
	require.Equal(t, 2, r.code)
	require.NoDirExists(t, filepath.Join(dir, "new"))
}
