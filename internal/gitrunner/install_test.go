//go:build linux

package gitrunner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
)

func TestInstalledPluginRunsFromEveryKindOfServer(t *testing.T) {
	for name, template := range map[string]func(*gittest.Root) string{
		"file":         func(r *gittest.Root) string { return r.Template() },
		"git":          func(r *gittest.Root) string { return r.Daemon() },
		"http":         func(r *gittest.Root) string { return r.HTTP("") },
		"organisation": func(r *gittest.Root) string { return fmt.Sprintf(r.Daemon(), "dba/%s") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := gittest.NewRoot(t)
			repo := root.Plugin("dba/mysql", "echo hello")
			dir := tempDir(t)
			r := newRunner(t, template(root), in(dir))
			require.NoError(t, r.Install(t.Context(), mysql()))
			require.Equal(t, "hello\n", run(t, r))
			require.Equal(t, repo.Git("rev-parse", "release"), r.InspectPlugin(mysql()).Commit+"\n")
			requireOnlyThePlugins(t, dir, "db.example/mysql")
		})
	}
}

func TestRepositoryWithoutReleaseBranchGivesItsDefaultBranch(t *testing.T) {
	root := gittest.NewRoot(t)
	root.Repo("dba/mysql").Release("echo main")
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "main\n", run(t, r))
}

func TestRepositoryWithDetachedHeadGivesThat(t *testing.T) {
	root := gittest.NewRoot(t)
	repo := root.Repo("dba/mysql")
	repo.Release("echo detached")
	repo.Git("checkout", "--quiet", "--detach")
	repo.Git("branch", "-D", "main")
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "detached\n", run(t, r))
}

func TestInstallDoesNothingWhereThePluginIs(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	r, repo := installed(t, "echo old")
	repo.Release("echo new")
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "old\n", run(t, r))
}

func TestInstalledPluginIsKnownAfterARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t)
	r, repo := installed(t, "echo old", in(dir))
	commit := r.InspectPlugin(mysql()).Commit
	require.NoError(t, r.Close(t.Context()))
	require.NoError(t, os.RemoveAll(repo.Dir))

	r = newRunner(t, "file://"+filepath.Dir(filepath.Dir(repo.Dir))+"/%s.git", in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, commit, r.InspectPlugin(mysql()).Commit)
	require.Equal(t, "old\n", run(t, r))
}

func TestRepositoriesThatCannotBeUsedAreRefusedWithTheReason(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, c := range map[string]struct {
		make func(*gittest.Repo)
		want string
	}{
		"empty":               {func(*gittest.Repo) {}, "the repository is empty"},
		"no plugin":           {func(r *gittest.Repo) { r.Write("x", "", 0o644) }, "has no file named plugin"},
		"not executable":      {func(r *gittest.Repo) { r.Write("plugin", "#!/bin/sh\n", 0o644) }, "chmod +x plugin"},
		"directory":           {func(r *gittest.Repo) { r.Write("plugin/x", "", 0o755) }, "is a directory"},
		"symlink out":         {func(r *gittest.Repo) { os.Symlink("/bin/true", r.Dir+"/plugin") }, "leads out of the repository"},
		"relative symlink":    {func(r *gittest.Repo) { os.Symlink(strings.Repeat("../", 40)+"bin/true", r.Dir+"/plugin") }, "leads out of the repository"},
		"symlink into .git":   {func(r *gittest.Repo) { os.Symlink(".git/HEAD", r.Dir+"/plugin") }, "leads out of the repository"},
		"symlink to .git":     {func(r *gittest.Repo) { os.Symlink(".git", r.Dir+"/plugin") }, "leads out of the repository"},
		"symlink in a circle": {func(r *gittest.Repo) { os.Symlink("plugin", r.Dir+"/plugin") }, "leads back to itself"},
		"dangling symlink":    {func(r *gittest.Repo) { os.Symlink("none", r.Dir+"/plugin") }, "has no file named plugin"},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := gittest.NewRoot(t), tempDir(t)
			repo := root.Repo("dba/mysql")
			if c.make(repo); name != "empty" {
				repo.Commit()
			}
			r := newRunner(t, root.Template(), in(dir))
			err := r.Install(t.Context(), mysql())
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "plugin dba/mysql of namespace db.example")
			requireOnlyThePlugins(t, dir)
			_, err = r.Run(t.Context(), mysql(), nil)
			requireResult(t, agent.RunStart, err)
		})
	}
}

func TestSymlinkWithinTheRepositoryIsFollowed(t *testing.T) {
	root := gittest.NewRoot(t)
	repo := root.Repo("dba/mysql")
	repo.Write("bin/real", "#!/bin/sh\necho linked\n", 0o755)
	require.NoError(t, os.Symlink("bin/real", repo.Dir+"/plugin"))
	repo.Commit()
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "linked\n", run(t, r))
}

func TestServersThatDoNotServeAreGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		template func(*gittest.Root) string
		want     string
	}{
		"missing file":   {func(r *gittest.Root) string { return "file://" + r.Dir + "/none/%s" }, "does not appear to be a git repository"},
		"missing":        {func(r *gittest.Root) string { return r.Daemon()[:len(r.Daemon())-len("/%s.git")] + "0/%s" }, "plugin dba/mysql"},
		"needs password": {func(r *gittest.Root) string { return r.HTTP("secret") }, "could not read Username"},
		"hangs":          {func(r *gittest.Root) string { return r.Hanging() }, "git timed out after 1s (agent.gittimeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, dir := gittest.NewRoot(t), tempDir(t)
			root.Plugin("dba/mysql", "echo hello")
			r := newRunner(t, c.template(root), in(dir), func(c *gitrunner.Config) { c.GitTimeout = time.Second })
			began := time.Now()
			require.ErrorContains(t, r.Install(t.Context(), mysql()), c.want)
			require.Less(t, time.Since(began), 6*time.Second)
			requireOnlyThePlugins(t, dir)
		})
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	dir := tempDir(t)
	r, _ := installed(t, "true", in(dir))
	for _, p := range []agent.Plugin{
		{Namespace: "..", Repo: "dba/mysql"},
		{Namespace: "a/b", Repo: "dba/mysql"},
		{Namespace: "-a", Repo: "dba/mysql"},
		{Namespace: ".agent-clones", Repo: "dba/mysql"},
		{Namespace: "", Repo: "dba/mysql"},
		{Namespace: "ns", Repo: "../mysql"},
		{Namespace: "ns", Repo: "dba/.."},
		{Namespace: "ns", Repo: "dba/a..b"},
		{Namespace: "ns", Repo: "dba/-mysql"},
		{Namespace: "ns", Repo: "--upload-pack=x/mysql"},
		{Namespace: "ns", Repo: "dba/../mysql"},
		{Namespace: "ns", Repo: "dba/.git/mysql"},
		{Namespace: "ns", Repo: "dba/mysql\n"},
		{Namespace: "ns", Repo: "mysql"},
		{Namespace: "ns", Repo: "dba/my sql"},
		{Namespace: "ns", Repo: "ext::sh/mysql"},
	} {
		require.ErrorContains(t, r.Install(t.Context(), p), "is refused", "%q", p)
		require.ErrorContains(t, r.Update(t.Context(), p), "is refused", "%q", p)
		_, err := r.Run(t.Context(), p, nil)
		requireResult(t, agent.RunStart, err)
		require.Zero(t, r.InspectPlugin(p))
	}
	requireOnlyThePlugins(t, dir, "db.example/mysql")
}

func TestOtherOrganisationsThanTheTemplatesAreRefused(t *testing.T) {
	r := newRunner(t, "git@git.example.com:ops/%s.git")
	require.ErrorContains(t, r.Install(t.Context(), mysql()), "the organisation ops only")
}

func TestPluginCannotReadItsOriginOrChangeItsCode(t *testing.T) {
	needRoot(t)
	r, _ := installed(t, "cat .git/config; echo x >>plugin; echo x >new; rm README; ls -a")
	out, err := r.Run(t.Context(), mysql(), nil)
	require.NoError(t, err)
	require.Equal(t, ".\n..\n.git\nREADME\nplugin\n", string(out))
}

func TestHooksOfTheUserDoNotRun(t *testing.T) {
	home := tempDir(t)
	hooks := filepath.Join(home, "hooks")
	require.NoError(t, os.Mkdir(hooks, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(hooks, "post-checkout"), []byte("#!/bin/sh\ntouch "+home+"/ran\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\nhooksPath="+hooks+"\n"), 0o644))
	t.Setenv("HOME", home)
	installed(t, "true")
	require.NoFileExists(t, filepath.Join(home, "ran"))
}

func TestCredentialHelpersOfTheUserWork(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	home := tempDir(t)
	require.NoError(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[credential]\nhelper=\"!f() { echo username=u; echo password=secret; }; f\"\n"), 0o644))
	t.Setenv("HOME", home)
	root := gittest.NewRoot(t)
	root.Plugin("dba/mysql", "echo hello")
	r := newRunner(t, root.HTTP("secret"))
	require.NoError(t, r.Install(t.Context(), mysql()))
}

func TestSubmodulesAreNotFetched(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	root := gittest.NewRoot(t)
	other := root.Plugin("dba/other", "true")
	repo := root.Plugin("dba/mysql", "ls -A sub | wc -l")
	repo.Git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+other.Dir, "sub")
	repo.Commit()
	r := newRunner(t, root.Template())
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "0\n", run(t, r))
}

func TestLeftoversOfAKilledRunnerAreRemoved(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	dir := tempDir(t)
	half := filepath.Join(dir, ".agent-clones", "123", "456")
	require.NoError(t, os.MkdirAll(half, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(half, "plugin"), nil, 0o755))
	living, repo := installed(t, "echo old", in(dir))
	require.NoFileExists(t, half)
	newRunner(t, "", in(dir)) // leaves alone what the first one still uses
	repo.Release("echo new")
	require.NoError(t, living.Update(t.Context(), mysql()))
	require.Equal(t, "new\n", run(t, living))
}

func TestCanceledInstallLeavesNothing(t *testing.T) {
	root, dir := gittest.NewRoot(t), tempDir(t)
	r := newRunner(t, root.Hanging(), in(dir))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	require.ErrorIs(t, r.Install(ctx, mysql()), context.Canceled)
	requireOnlyThePlugins(t, dir)
}

func TestInstallThatIsCanceledWhileItWaitsForOthersHasFailed(t *testing.T) {
	root := gittest.NewRoot(t)
	r := newRunner(t, root.Hanging(), func(c *gitrunner.Config) { c.MaxConcurrentInstalls = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- r.Install(ctx, mysql()) }()
	other := mysql()
	other.Repo = "dba/other"
	for range 10 { // the first one may not have begun yet
		waiting, giveUp := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.ErrorIs(t, r.Install(waiting, other), context.DeadlineExceeded)
		giveUp()
	}
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
}

func TestFullDiskLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	needRoot(t)
	dir := tempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=755"); err != nil {
		t.Skip("cannot mount a tmpfs: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	root := gittest.NewRoot(t)
	repo := root.Plugin("dba/mysql", "echo old")
	r := newRunner(t, root.Template(), in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))

	repo.Git("config", "core.compression", "0")
	repo.Write("big", string(make([]byte, 2<<20)), 0o644)
	repo.Release("echo new")
	err := r.Update(t.Context(), mysql())
	require.ErrorContains(t, err, "No space left on device")
	require.Equal(t, "old\n", run(t, r))
	requireOnlyThePlugins(t, dir, "db.example/mysql")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "free"), make([]byte, 256<<10), 0o600))
}

func requireResult(t testing.TB, want agent.RunResult, err error) {
	t.Helper()
	var failed *agent.RunError
	require.True(t, errors.As(err, &failed), "%v", err)
	require.Equal(t, want, failed.Result, "%v", err)
}
