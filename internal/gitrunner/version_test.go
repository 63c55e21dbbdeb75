//go:build linux

package gitrunner_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
)

// at returns the plugin of most tests in a version.
func at(version string) agent.Plugin {
	p := mysql()
	p.Version = version
	return p
}

// head returns the commit of the current branch.
func head(r *gittest.Repo) string { return strings.TrimSpace(r.Git("rev-parse", "HEAD")) }

// requireInstalled compares what is installed, and runs it.
func requireInstalled(t *testing.T, r *gitrunner.Runner, version, commit, by, prints string) {
	t.Helper()
	details := r.InspectPlugin(at(version))
	require.Equal(t, []string{commit, version, by}, []string{details.Commit, details.Version, details.By})
	out, err := r.Run(t.Context(), at(version), nil)
	require.NoError(t, err)
	require.Equal(t, prints+"\n", string(out))
}

// versions makes a repository with the tags v1 and v2, of which the second is
// annotated, and a newer release. It returns the commits.
func versions(root *gittest.Root) (repo *gittest.Repo, v1, v2, newest string) {
	repo = root.Plugin("dba/mysql", "echo one")
	v1 = head(repo)
	repo.Git("tag", "v1")
	v2 = repo.Release("echo two")
	repo.Git("tag", "--annotate", "--message=two", "v2")
	newest = repo.Release("echo newest")
	return repo, v1, v2, newest
}

// Neither of the servers sends a commit that is asked for by its id alone, as
// uploadpack.allowReachableSHA1InWant is off; one sends files only.
func TestVersionIsInstalledExactly(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, template := range map[string]func(*gittest.Root) string{
		"file": func(r *gittest.Root) string { return r.Template() },
		"git":  func(r *gittest.Root) string { return r.Daemon() },
		"http": func(r *gittest.Root) string { return r.HTTP("") },
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := gittest.NewRoot(t), tempDir(t)
			repo, v1, v2, newest := versions(root)
			between := strings.TrimSpace(repo.Git("commit-tree", "-p", v1, "-m", "x", v1+"^{tree}"))
			repo.Git("update-ref", "refs/heads/side", strings.TrimSpace(repo.Git("commit-tree", "-p", between, "-m", "x", v2+"^{tree}")))
			r := newRunner(t, template(root), in(dir))
			for _, c := range []struct{ version, commit, prints string }{
				{"v1", v1, "one"},
				{"v2", v2, "two"},
				{newest, newest, "newest"},
				{v2, v2, "two"},
				{between, between, "one"},
				{"", newest, "newest"},
			} {
				require.NoError(t, r.Install(t.Context(), at(c.version)), c.version)
				requireInstalled(t, r, c.version, c.commit, "registry", c.prints)
			}
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		})
	}
}

func TestVersionThatCannotBeHadIsRefusedWithTheReasonAndTheOldOneStays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, c := range map[string]struct {
		version func(*testing.T, *gittest.Root, *gittest.Repo) string
		want    string
	}{
		"no such tag":    {func(*testing.T, *gittest.Root, *gittest.Repo) string { return "v9" }, "has no tag v9: push it"},
		"option":         {func(*testing.T, *gittest.Root, *gittest.Repo) string { return "-x" }, `version "-x" is refused`},
		"path":           {func(*testing.T, *gittest.Root, *gittest.Repo) string { return "../v1" }, `version "../v1" is refused`},
		"range":          {func(*testing.T, *gittest.Root, *gittest.Repo) string { return "v1..v2" }, "is refused"},
		"branch":         {func(*testing.T, *gittest.Root, *gittest.Repo) string { return "release" }, "only a branch of that name, and branches move"},
		"no such commit": {func(*testing.T, *gittest.Root, *gittest.Repo) string { return strings.Repeat("ab", 20) }, "none of the repository's branches and tags contains the commit abab"},
		"tag of a file": {func(_ *testing.T, _ *gittest.Root, r *gittest.Repo) string {
			r.Git("tag", "blob", "HEAD:plugin")
			return "blob"
		}, "blob names a file or a directory, not a commit"},
		"tag of a directory": {func(_ *testing.T, _ *gittest.Root, r *gittest.Repo) string {
			r.Git("tag", "--annotate", "--message=x", "tree", "HEAD^{tree}")
			return "tree"
		}, "tree names a file or a directory, not a commit"},
		"id of a directory": {func(_ *testing.T, _ *gittest.Root, r *gittest.Repo) string {
			return strings.TrimSpace(r.Git("rev-parse", "HEAD^{tree}"))
		}, "not of a commit"},
		"id of a tag": {func(_ *testing.T, _ *gittest.Root, r *gittest.Repo) string {
			return strings.TrimSpace(r.Git("rev-parse", "refs/tags/v2"))
		}, "not of a commit"},
		"commit of another repository": {func(_ *testing.T, root *gittest.Root, _ *gittest.Repo) string {
			return head(root.Plugin("dba/other", "echo other"))
		}, "none of the repository's branches and tags contains the commit"},
		// Servers keep the objects of a fork with those of what it was forked
		// from, and send them to whoever asks for their id.
		"commit of a fork": {func(t *testing.T, root *gittest.Root, r *gittest.Repo) string {
			fork := root.Plugin("evil/mysql", "echo evil")
			alternates := filepath.Join(r.Dir, ".git", "objects", "info", "alternates")
			require.NoError(t, os.WriteFile(alternates, []byte(fork.Dir+"/.git/objects\n"), 0o644))
			r.Git("config", "uploadpack.allowAnySHA1InWant", "true")
			r.Git("cat-file", "-e", head(fork))
			return head(fork)
		}, "none of the repository's branches and tags contains the commit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, dir := gittest.NewRoot(t), tempDir(t)
			repo, v1, _, _ := versions(root)
			wrong := c.version(t, root, repo)
			r := newRunner(t, root.Daemon(), in(dir))
			require.ErrorContains(t, r.Install(t.Context(), at(wrong)), c.want)
			requireOnlyThePlugins(t, dir)

			require.NoError(t, r.Install(t.Context(), at("v1")))
			require.ErrorContains(t, r.Install(t.Context(), at(wrong)), c.want)
			require.ErrorContains(t, r.Update(t.Context(), at(wrong)), c.want)
			requireInstalled(t, r, "v1", v1, "registry", "one")
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		})
	}
}

func TestCommitThatIsNotThereIsNotLookedForAgainUntilSomethingIsPushed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root := gittest.NewRoot(t)
	repo, v1, _, _ := versions(root)
	dangling := strings.TrimSpace(repo.Git("commit-tree", "-m", "x", v1+"^{tree}"))
	fetches := filepath.Join(tempDir(t), "fetches")
	hook := filepath.Join(filepath.Dir(fetches), "hook")
	require.NoError(t, os.WriteFile(hook, []byte("#!/bin/sh\necho fetch >>"+fetches+"\nexec \"$@\"\n"), 0o755))
	config := filepath.Join(filepath.Dir(fetches), "config")
	require.NoError(t, os.WriteFile(config, []byte("[uploadpack]\npackObjectsHook="+hook+"\n"), 0o644))
	t.Setenv("GIT_CONFIG_GLOBAL", config) // of the server
	count := func() int {
		text, _ := os.ReadFile(fetches)
		return strings.Count(string(text), "fetch")
	}
	r := newRunner(t, root.Daemon())
	require.ErrorContains(t, r.Install(t.Context(), at(dangling)), "contains the commit")
	searched := count()
	require.NotZero(t, searched)
	require.ErrorContains(t, r.Install(t.Context(), at(dangling)), "contains the commit")
	require.Equal(t, searched, count())
	repo.Git("branch", "topic", strings.TrimSpace(repo.Git("commit-tree", "-p", dangling, "-m", "y", v1+"^{tree}")))
	require.NoError(t, r.Install(t.Context(), at(dangling)))
	requireInstalled(t, r, dangling, dangling, "registry", "one")
}
