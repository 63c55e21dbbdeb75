//go:build linux

package gitrunner_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
)

// mysql is the plugin of most tests.
func mysql() agent.Plugin {
	return agent.Plugin{Namespace: "db.example", Name: "PLUGIN.mysql", Repo: "dba/mysql", Interval: 30 * time.Second}
}

// newRunner returns a runner that is closed when the test ends.
func newRunner(t testing.TB, template string, change ...func(*gitrunner.Config)) *gitrunner.Runner {
	t.Helper()
	config := gitrunner.Config{PluginsDir: filepath.Join(tempDir(t), "plugins"), Git: template, Hostname: "h1", GitTimeout: 20 * time.Second}
	for _, c := range change {
		c(&config)
	}
	r, err := gitrunner.New(config)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, r.Close(ctx))
	})
	return r
}

// tempDir returns a directory that the plugins' user may enter.
func tempDir(t testing.TB) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

// in makes a runner use a directory.
func in(dir string) func(*gitrunner.Config) {
	return func(c *gitrunner.Config) { c.PluginsDir = dir }
}

// installed returns a runner with one installed plugin that is the script.
func installed(t testing.TB, script string, change ...func(*gitrunner.Config)) (*gitrunner.Runner, *gittest.Repo) {
	t.Helper()
	root := gittest.NewRoot(t)
	repo := root.Plugin("dba/mysql", script)
	r := newRunner(t, root.Template(), change...)
	require.NoError(t, r.Install(t.Context(), mysql()))
	return r, repo
}

func run(t testing.TB, r *gitrunner.Runner) string {
	t.Helper()
	out, err := r.Run(t.Context(), mysql(), nil)
	require.NoError(t, err)
	return string(out)
}

// requireOnlyThePlugins requires that a plugins directory contains only the named plugins, and
// no unfinished clone or old version.
func requireOnlyThePlugins(t *testing.T, dir string, plugins ...string) {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*/*", ".agent-clones/*/*"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			rel, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			if !strings.HasPrefix(rel, ".agent-") || filepath.Base(rel) != "lock" && strings.Count(rel, "/") == 2 {
				found = append(found, rel)
			}
		}
	}
	require.ElementsMatch(t, plugins, found)
}

func TestConfigThatIsWrongIsRefusedWithItsKey(t *testing.T) {
	for _, c := range []struct {
		change func(*gitrunner.Config)
		want   string
	}{
		{func(c *gitrunner.Config) { c.Git = "https://git.example.com/" }, "agent.git"},
		{func(c *gitrunner.Config) { c.Git = "--upload-pack=x/%s" }, "agent.git"},
		{func(c *gitrunner.Config) { c.Git = "ext::sh -c x %s" }, "agent.git"},
		{func(c *gitrunner.Config) { c.Git = "https://git.example.com/org/../%s.git" }, `agent.git: "https://git.example.com/org/../%s.git" must not contain ".."`},
		{func(c *gitrunner.Config) { c.Git = "git@git.example.com:../%s.git" }, "agent.git"},
		{func(c *gitrunner.Config) { c.Branch = "--x" }, "agent.branch"},
		{func(c *gitrunner.Config) { c.Branch = "a..b" }, "agent.branch"},
	} {
		config := gitrunner.Config{PluginsDir: tempDir(t), Git: "file:///srv/%s.git"}
		c.change(&config)
		_, err := gitrunner.New(config)
		require.ErrorContains(t, err, c.want)
	}
}

func TestUnknownUserIsRefused(t *testing.T) {
	needRoot(t)
	_, err := gitrunner.New(gitrunner.Config{PluginsDir: tempDir(t), User: "no-such-user"})
	require.ErrorContains(t, err, `agent.pluginsuser: there is no user "no-such-user"`)
}

func TestPluginsThatRunAsRootAreSaid(t *testing.T) {
	needRoot(t)
	var log strings.Builder
	newRunner(t, "", func(c *gitrunner.Config) {
		c.User = "root"
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	require.Contains(t, log.String(), "plugins run as root")
}

func TestAgentThatIsNotRootRunsPluginsAsItself(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs another user than root")
	}
	var log strings.Builder
	r := newRunner(t, "", func(c *gitrunner.Config) {
		c.User = "root"
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	require.Equal(t, 1, strings.Count(log.String(), "the agent's own user"))
	res, err := runDir(t, r, script(t, "id -u"), 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintln(os.Geteuid()), string(res.Stdout))
}

func TestWithoutAnAddressPluginsAreRefusedWithItsKey(t *testing.T) {
	r := newRunner(t, "")
	require.ErrorContains(t, r.Install(t.Context(), mysql()), "agent.git")
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}
