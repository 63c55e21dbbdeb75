//go:build linux

package gitrunner_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
)

// sshThat makes ssh a script that first does something and then serves the
// repositories of this host.
func sshThat(t *testing.T, first string) {
	t.Helper()
	path := filepath.Join(tempDir(t), "ssh")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+first+"\nshift; eval \"set -- $*\"; exec git -c safe.directory='*' upload-pack \"$2\"\n"), 0o755))
	t.Setenv("GIT_SSH", path)
	t.Setenv("GIT_SSH_VARIANT", "simple")
}

// daemon is a user that each Linux system has, for git.
func daemon(t *testing.T) *user.User {
	t.Helper()
	needRoot(t)
	u, err := user.Lookup("daemon")
	if err != nil {
		t.Skip(err)
	}
	return u
}

func TestGitOfRootRunsAsAUserOfItsOwnAndLeavesItNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	u := daemon(t)
	t.Setenv("A_SECRET_OF_THE_AGENT", "x")
	record := filepath.Join(tempDir(t), "record")
	require.NoError(t, os.WriteFile(record, nil, 0o666))
	require.NoError(t, os.Chmod(record, 0o666))
	sshThat(t, "{ id -u; id -G; echo $HOME; env | grep -c A_SECRET; grep NoNewPrivs /proc/self/status; } >"+record)
	root, dir := gittest.NewRoot(t), tempDir(t)
	require.NoError(t, os.Chmod(filepath.Dir(root.Dir), 0o755))
	repo := root.Plugin("dba/mysql", "echo hello")
	repo.Write("sub/data", "x", 0o644)
	require.NoError(t, os.Symlink("/etc/passwd", repo.Dir+"/link"))
	repo.Commit()

	r := newRunner(t, "127.0.0.1:"+root.Dir+"/%o/%p.git", in(dir), func(c *gitrunner.Config) { c.GitUser = u.Username })
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "hello\n", run(t, r))
	said, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%s\n%s\n%s\n0\nNoNewPrivs:\t1\n", u.Uid, u.Gid, u.HomeDir), string(said))

	repo.Release("echo new")
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.Equal(t, "new\n", run(t, r))
	require.NoError(t, r.Rollback(t.Context(), mysql()))
	require.Equal(t, "hello\n", run(t, r))
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "db.example"), func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		require.Zero(t, info.Sys().(*syscall.Stat_t).Uid, path)
		if entry.Type()&os.ModeSymlink == 0 {
			require.Zero(t, info.Mode()&0o022, path)
		}
		return nil
	}))
	require.NoError(t, r.Update(t.Context(), mysql()))
}

func TestGitWritesNoFileAboveTheBoundAndUsesNoMemoryAboveIts(t *testing.T) {
	record := filepath.Join(tempDir(t), "record")
	sshThat(t, "{ ulimit -f; ulimit -d; } >"+record)
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", "echo hello")
	r := newRunner(t, "127.0.0.1:"+root.Dir+"/%o/%p.git", func(c *gitrunner.Config) { c.MaxSize = 3 << 20 })
	require.NoError(t, r.Install(t.Context(), mysql()))
	said, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Equal(t, "8192\n524288\n", string(said)) // 512-byte blocks, KiB
}

func TestUserOfGitThatCannotBeIsRefusedWithItsKey(t *testing.T) {
	u := daemon(t)
	for name, c := range map[string]struct {
		change func(*gitrunner.Config)
		want   string
	}{
		"unknown":          {func(c *gitrunner.Config) { c.GitUser = "no-such-user" }, `agent.gituser: there is no user "no-such-user" on this system`},
		"user of plugins":  {func(c *gitrunner.Config) { c.GitUser = u.Username; c.User = u.Username }, "agent.gituser: daemon is the user of the plugins"},
		"closed directory": {func(c *gitrunner.Config) { c.GitUser = u.Username; os.Chmod(c.PluginsDir, 0o700) }, "may not enter the directory"},
	} {
		t.Run(name, func(t *testing.T) {
			config := gitrunner.Config{PluginsDir: tempDir(t), Git: "https://git.example.com/%s.git"}
			c.change(&config)
			_, err := gitrunner.New(config)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestGitAsRootIsKnownWhereNobodyAskedForIt(t *testing.T) {
	t.Setenv("HOME", tempDir(t))
	root := os.Geteuid() == 0
	require.Equal(t, root, gitrunner.RunsGitAsRoot("git@h:%s.git", "", "nobody"))
	require.False(t, gitrunner.RunsGitAsRoot("git@h:%s.git", "root", "nobody"))
	require.False(t, gitrunner.RunsGitAsRoot("git@h:%s.git", "daemon", "nobody"))
	require.False(t, gitrunner.RunsGitAsRoot("file:///srv/%s", "", "nobody"))
	_, err := user.Lookup(gitrunner.DefaultGitUser)
	require.Equal(t, root && err != nil, gitrunner.RunsGitAsRoot("https://h/%s.git", "", "nobody"))

	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("HOME"), ".netrc"), nil, 0o600))
	require.Equal(t, root, gitrunner.RunsGitAsRoot("https://h/%s.git", "", "nobody"))
}
