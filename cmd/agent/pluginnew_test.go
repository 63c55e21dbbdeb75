package main

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestEachNewPluginPassesItsTest(t *testing.T) {
	t.Parallel()
	for language, needs := range map[string]string{"sh": "sh", "python": "python3", "go": "go"} {
		for _, format := range []string{"json", "influx", "prometheus", "nagios"} {
			for _, daemon := range []bool{false, true} {
				if daemon && format == "nagios" || testing.Short() && (daemon || language == "go") {
					continue
				}
				args := []string{"--lang", language, "--format", format}
				if daemon {
					args = append(args, "--daemon")
				}
				t.Run(strings.Join(args, " "), func(t *testing.T) {
					t.Parallel()
					if _, err := exec.LookPath(needs); err != nil {
						t.Skip(needs + " is not installed")
					}
					tryNewPlugin(t, language, args)
				})
			}
		}
	}
}

// tryNewPlugin makes a plugin and runs what its workflow runs.
func tryNewPlugin(t *testing.T, language string, args []string) {
	dir := filepath.Join(openTempDir(t), "entries")
	r := execute(t, append([]string{"plugin", "new", dir}, args...)...)
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "agent plugin test "+dir)
	if language == "go" {
		require.Contains(t, r.stdout, "(cd "+dir+" && CGO_ENABLED=0 go build -o plugin .)")
		source, err := os.ReadFile(filepath.Join(dir, "main.go"))
		require.NoError(t, err)
		formatted, err := format.Source(source)
		require.NoError(t, err)
		require.Equal(t, string(formatted), string(source))
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", "plugin", ".")
		build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
		output, err := build.CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	workflow, err := os.ReadFile(filepath.Join(dir, ".github/workflows/plugin.yml"))
	require.NoError(t, err)
	require.Equal(t, language == "go", bytes.Contains(workflow, []byte("go build -trimpath -o plugin .")))
	_, command, found := strings.Cut(string(workflow), "run: agent plugin test --format tap . -- ")
	require.True(t, found)
	argument := strings.TrimSpace(command)
	if daemon := len(args) == 5; daemon && (language != "sh" || args[3] != "json") {
		requireMeasures(t, dir, args[3], argument) // as the trial of a daemon takes seconds
		return
	}
	r = execute(t, "plugin", "test", dir, "--", argument)
	require.Equal(t, 0, r.code, r.stdout)
	require.Regexp(t, `PLUGIN\.entries\.(entries,dir=/|_)etc value=[1-9]`, r.stdout)
	require.NotContains(t, r.stdout, "standard error")
}

// requireMeasures gives a daemon a newline, at which it measures.
func requireMeasures(t *testing.T, dir, format, argument string) {
	command := exec.CommandContext(t.Context(), filepath.Join(dir, "plugin"), argument)
	command.Stdin = strings.NewReader("\n")
	stdout, err := command.Output()
	require.NoError(t, err)
	output, err := agent.DecodePluginRun(agent.Plugin{Format: format, Mode: agent.ModeDaemon}, stdout, nil)
	require.NoError(t, err)
	require.Empty(t, output.Reasons)
	require.Len(t, output.Metrics, 1)
	require.Equal(t, map[string]string{"dir": argument}, output.Metrics[0].Tags)
}

func TestANewPluginOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin"), nil, 0o600))
	r := execute(t, "plugin", "new", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, dir+" is not empty (plugin is there): name another directory")
	for want, args := range map[string][]string{
		"--lang rust: there are sh, python and go": {"--lang", "rust"},
		"--format xml: there are json, influx":     {"--format", "xml"},
		"--daemon: a Nagios check ends":            {"--format", "nagios", "--daemon"},
	} {
		r = execute(t, append([]string{"plugin", "new", filepath.Join(dir, "new")}, args...)...)
		require.Equal(t, 2, r.code)
		require.Contains(t, r.stderr, want)
		require.NoDirExists(t, filepath.Join(dir, "new"))
	}
}
