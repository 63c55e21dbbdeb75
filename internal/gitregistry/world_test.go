package gitregistry_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/stock"
)

// world is a fleet repository behind git daemon, and a host that reads it.
type world struct {
	t        *testing.T
	repo     *gittest.Repo
	root     *gittest.Root
	dir      string // of the host, for repositories while they are read
	data     string // of the host, for what is kept
	config   stock.RegistryConfig
	registry agent.Registry
}

// newWorld returns a repository with the namespaces web and all.
func newWorld(t *testing.T) *world {
	t.Helper()
	root := gittest.NewRoot(t)
	w := &world{t: t, root: root, repo: root.Repo("ops/fleet"), dir: t.TempDir(), data: t.TempDir()}
	w.repo.Write("README.md", "our fleet\n", 0o644)
	w.write("web", "name = \"web\"\nhosts = [ \"web-*\", \"!web-9\" ]\n[intervals]\nCPU = \"30s\"\n")
	w.write("all", "name = \"all\"\n")
	w.repo.Commit()
	w.open(root.Daemon(), "")
	return w
}

// open makes the host read the repository behind a template of addresses.
func (w *world) open(template, branch string, change ...func(*stock.RegistryConfig)) {
	w.t.Helper()
	config := stock.RegistryConfig{Address: "git+" + strings.Replace(template, "%s", "ops/fleet", 1) + branch}
	config.Git.PluginsDir, config.DataDir = w.dir, w.data
	for _, f := range change {
		f(&config)
	}
	w.config = config
	w.restart()
}

// restart makes the registry of a host that knows only what is on its disk.
func (w *world) restart() {
	w.t.Helper()
	registry, err := stock.Registry(w.config)
	require.NoError(w.t, err)
	w.registry = registry
}

// write writes the file of a namespace.
func (w *world) write(file, content string) {
	w.t.Helper()
	w.repo.Write("namespaces/"+file+".toml", content, 0o644)
}

// push commits what was written.
func (w *world) push() string { return w.repo.Commit() }

// ask returns the namespaces of a host, separated by blanks.
func (w *world) ask(hostname string) (string, error) {
	w.t.Helper()
	assignments, err := w.registry.Assignments(w.t.Context(), agent.Host{Hostname: hostname})
	var names []string
	for _, a := range assignments {
		names = append(names, a.Namespace)
	}
	return strings.Join(names, " "), err
}

// has requires that the host has these namespaces.
func (w *world) has(hostname, namespaces string) {
	w.t.Helper()
	names, err := w.ask(hostname)
	require.NoError(w.t, err)
	require.Equal(w.t, namespaces, names, hostname)
}

// fails requires an error that contains each text, and that nothing is left on disk.
func (w *world) fails(texts ...string) {
	w.t.Helper()
	names, err := w.ask("web-1")
	require.Error(w.t, err)
	require.Empty(w.t, names)
	for _, text := range texts {
		require.ErrorContains(w.t, err, text)
	}
	w.leavesNothing()
}

// leavesNothing requires that the repository is nowhere on the host.
func (w *world) leavesNothing() {
	w.t.Helper()
	left, err := filepath.Glob(filepath.Join(w.dir, ".agent-heads", "*", "*"))
	require.NoError(w.t, err)
	require.Empty(w.t, left)
}

// details returns what the registry says of the head in force.
func (w *world) details() agent.RegistryDetails {
	return w.registry.(agent.RegistryInspector).InspectRegistry()
}

// patience is how long a test waits for a machine that is busy.
const patience = time.Minute

// without returns an environment variable's value for a PATH without git.
func without(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(sh, filepath.Join(dir, "sh")))
	return dir
}
