// Package gittest makes real git repositories and servers for tests.
package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Root is a directory of repositories.
type Root struct {
	t   testing.TB
	Dir string
}

// NewRoot returns an empty directory of repositories. It skips the test if git
// is not installed.
func NewRoot(t testing.TB) *Root {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	return &Root{t, t.TempDir()}
}

// Template returns a value for agent.git that clones from the directory.
func (r *Root) Template() string { return "file://" + filepath.ToSlash(r.Dir) + "/%s.git" }

// Repo is a repository with a working tree.
type Repo struct {
	t   testing.TB
	Dir string
}

// Repo makes an empty repository, such as ORG/PROJECT, with the default branch
// main.
func (r *Root) Repo(path string) *Repo {
	r.t.Helper()
	repo := &Repo{r.t, filepath.Join(r.Dir, filepath.FromSlash(path)+".git")}
	require.NoError(r.t, os.MkdirAll(repo.Dir, 0o755))
	repo.Git("init", "--quiet", "--initial-branch=main")
	return repo
}

// Plugin makes a repository whose branch release has a shell script as its
// plugin.
func (r *Root) Plugin(path, script string) *Repo {
	r.t.Helper()
	repo := r.Repo(path)
	repo.Write("README", "a plugin\n", 0o644)
	repo.Commit()
	repo.Git("checkout", "--quiet", "-b", "release")
	repo.Release(script)
	return repo
}

// Release commits a new script as the plugin on the current branch, and returns
// the commit.
func (r *Repo) Release(script string) string {
	r.t.Helper()
	r.Write("plugin", "#!/bin/sh\n"+script+"\n", 0o755)
	return r.Commit()
}

// Write writes a file in the working tree.
func (r *Repo) Write(name, content string, mode os.FileMode) {
	r.t.Helper()
	path := filepath.Join(r.Dir, name)
	require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(r.t, os.WriteFile(path, []byte(content), mode))
	require.NoError(r.t, os.Chmod(path, mode))
}

// Commit commits the working tree and returns the commit.
func (r *Repo) Commit() string {
	r.t.Helper()
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "--message=a change")
	return strings.TrimSpace(r.Git("rev-parse", "HEAD"))
}

// Git runs git in the repository, without the user's configuration and without
// the maintenance that git starts after each commit.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "maintenance.auto=false"}, args...)...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com")
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "git %v: %s", args, out)
	return string(out)
}
