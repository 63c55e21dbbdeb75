package main

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/addresstest"
)

// openTempDir is a temporary directory that the plugins' user may enter.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// example is a plugin of examples/plugins with arguments that suit this host.
type example struct {
	language string
	needs    string // program without which it cannot be tried
	args     []string
	metrics  []string // beginnings of what it measures
}

func examples(t *testing.T) []example {
	files := openTempDir(t)
	server := httptest.NewTLSServer(nil)
	server.Close() // only its certificate is wanted
	certificate := filepath.Join(files, "web.crt")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(block), 0o644))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	target := listener.Addr().String()
	return []example{
		{"sh", "sh", []string{files}, []string{"used.kib,dir=" + files}},
		{"python", "python3", []string{target}, []string{"up,target=" + target, "connect.seconds,target=" + target}},
		{"nagios", "sh", []string{certificate}, []string{"state", "age", "age.warn", "age.crit"}},
		{"influx", "sh", []string{certificate}, []string{"text.lines,file=" + certificate, "text.bytes,file=" + certificate}},
		{"prometheus", "sh", []string{certificate}, []string{"file_changed_timestamp_seconds,file=" + certificate}},
		{"daemon", "python3", []string{"60"}, []string{"load.1", "load.5", "load.15"}},
		{"go", "go", []string{certificate}, []string{"days.left,file=" + certificate}},
	}
}

// repository makes dir a repository of the example, built if need be.
func (e example) repository(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath(e.needs); err != nil {
		t.Skipf("there is no %s", e.needs)
	}
	source := filepath.Join("../../examples/plugins", e.language)
	if e.language == "go" {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "plugin"), "./"+source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		output, err := build.CombinedOutput()
		require.NoError(t, err, "%s", output)
	} else {
		require.NoError(t, os.CopyFS(dir, os.DirFS(source)))
	}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"-c", "user.name=me", "-c", "user.email=me@example.com", "commit", "--quiet", "-m", "Release"},
	} {
		output, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
}

func TestTheExamplePluginsAreGood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, e := range examples(t) {
		t.Run(e.language, func(t *testing.T) {
			dir := filepath.Join(openTempDir(t), "demo")
			e.repository(t, dir)
			r := execute(t, append([]string{"plugin", "test", "--interval", "10s", dir, "--"}, e.args...)...)
			require.Equal(t, 0, r.code, r.stdout+r.stderr)
			require.Contains(t, r.stdout, fmt.Sprintf("with the tag host: %d\n", len(e.metrics)))
			for _, metric := range e.metrics {
				require.Contains(t, r.stdout, "  PLUGIN.demo."+metric+" value=")
			}
			require.NotContains(t, r.stdout, "standard error")

			r = execute(t, "plugin", "test", "--interval", "10s", dir)
			require.Equal(t, 1, r.code)
			require.Contains(t, r.stdout, "as arguments, such as", "without arguments it says what it takes")
		})
	}
}

func TestAnAgentMeasuresTheExamplePlugins(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel() // a first run comes within ten seconds
	dir := openTempDir(t)
	registry := "[[namespace]]\nname = \"tour\"\n"
	var want []string
	for _, e := range examples(t) {
		t.Run(e.language, func(t *testing.T) {
			e.repository(t, filepath.Join(dir, "repos", "me", e.language))
			registry += fmt.Sprintf("\n[[namespace.plugin]]\nrepo = \"me/%s\"\ninterval = \"10s\"\nargs = [%q]\n", e.language, e.args[0])
			for _, metric := range e.metrics {
				want = append(want, "\nPLUGIN."+e.language+"."+strings.Replace(metric, ",target=", ",host=h1,target=", 1))
			}
		})
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "registry.toml"), []byte(registry), 0o644))
	points := runStandalone(t, dir)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(points)
		require.NoError(t, err)
		return !slices.ContainsFunc(want, func(metric string) bool { return !strings.Contains(string(text), metric) })
	}, 30*time.Second, 50*time.Millisecond, "wanted: %q", want)
}

// runStandalone runs an agent with the registry file and the repositories in
// dir until the test ends. It returns the file that the points go to.
func runStandalone(t *testing.T, dir string) string {
	t.Helper()
	config := filepath.Join(dir, "agent.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
agent.listen = %q
agent.registryaddr = "file://%s/registry.toml"
agent.git = "file://%s/repos/%%s"
agent.pluginsdir = "%s/plugins"
agent.pidfile = "%s/agent.pid"
agent.hostname = "h1"
output.name = "stdout"
time.servers = [ "127.0.0.1" ]
`, addresstest.Free(t), dir, dir, dir, dir), 0o600))
	points, err := os.Create(filepath.Join(dir, "points"))
	require.NoError(t, err)
	defer points.Close()
	c := agentCommand(t, "start", "-f", config)
	c.Stdout = points
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // as the test ends
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		c.Wait() // always an error: the context has ended
		require.Equal(t, 0, c.ProcessState.ExitCode())
	})
	return points.Name()
}
