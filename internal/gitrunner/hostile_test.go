//go:build linux

package gitrunner_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/policy"
)

// forge makes a commit with a signature that sign makes of its text, and returns its
// id.
func (w *signedWorld) forge(sign func(text []byte) string) string {
	w.t.Helper()
	raw := w.repo.Git("cat-file", "commit", w.repo.Release("echo forged"))
	armored := strings.ReplaceAll(strings.TrimSuffix(sign([]byte(raw)), "\n"), "\n", "\n ")
	return w.repo.CommitObject(strings.Replace(raw, "\n\n", "\ngpgsig "+armored+"\n\n", 1))
}

func TestSignatureOfSomethingElseIsRefusedAndWhatRanGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		sign func(key *gittest.Key, text []byte) string
		want string
	}{
		"of another object":    {func(key *gittest.Key, text []byte) string { return key.Sign("git", append(text, '\n')) }, "a signature of something else"},
		"of another namespace": {func(key *gittest.Key, text []byte) string { return key.Sign("file", text) }, `made in the namespace "file"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSignedWorld(t)
			w.release(w.anna, "echo old")
			r := w.runner()
			require.NoError(t, r.Install(t.Context(), mysql()))
			forged := w.forge(func(text []byte) string { return c.sign(w.anna, text) })
			requireUnsigned(t, r.Update(t.Context(), mysql()), c.want)
			requireUnsigned(t, r.Install(t.Context(), versioned(forged)), c.want)
			require.Equal(t, "old\n", run(t, r))
			w.forge(func(text []byte) string { return w.anna.Sign("git", text) })
			require.NoError(t, r.Update(t.Context(), mysql()), "of itself")
			require.Equal(t, "forged\n", run(t, r))
		})
	}
}

func TestSignedCommitNeedsNoSignatureOfItsTag(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	commit := w.release(w.anna, "echo signed")
	w.repo.Git("tag", "-a", "-m", "nobody has signed this", "v1", commit)
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), versioned("v1")))
	require.Equal(t, "signed\n", run(t, r))
}

func TestRegistryThatPinsWhatThePolicyRefusesChangesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newSignedWorld(t)
	w.release(w.anna, "echo signed")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	unsigned := w.repo.Release("echo evil")
	w.repo.Git("tag", "v2")
	for _, version := range []string{unsigned, "v2"} {
		requireUnsigned(t, r.Install(t.Context(), versioned(version)), "is not signed")
		require.Equal(t, "signed\n", run(t, r))
	}
	require.Equal(t, "registry", r.InspectPlugin(mysql()).By)
}

func TestVersionThatIsSignedLaterIsInstalledByTheNextAttempt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	commit := w.repo.Release("echo later")
	w.repo.Git("tag", "v1")
	r := w.runner()
	requireUnsigned(t, r.Install(t.Context(), versioned("v1")), "is not signed")
	w.repo.SignedTag(w.anna, "v1", commit)
	require.NoError(t, r.Install(t.Context(), versioned("v1")))
	require.Equal(t, "later\n", run(t, r))
}

// An attacker who controls the git server gives a repository a name that the policy allows.
func TestRepositoryThatIsRenamedToMatchAGlobNeedsASignatureStill(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	w.root.Plugin("evil/miner", "echo mining")
	require.NoError(t, os.Rename(filepath.Join(w.root.Dir, "evil", "miner.git"), filepath.Join(w.root.Dir, "dba", "miner.git")))
	renamed := agent.Plugin{Namespace: "db.example", Name: "PLUGIN.miner", Repo: "dba/miner"}
	r := w.runner(func(c *gitrunner.Config) { c.Policy.Plugins = []string{"dba/*"} })
	requireUnsigned(t, r.Install(t.Context(), renamed), "is not signed")
	requireOnlyThePlugins(t, w.dir)
}

func TestNamesThatOnlyLookLikeAllowedOnesAreNeverFetched(t *testing.T) {
	root := gittest.NewRoot(t)
	fetched := filepath.Join(tempDir(t), "fetched")
	require.NoError(t, os.WriteFile(filepath.Join(root.Dir, "helper"), []byte("#!/bin/sh\necho \"$@\" >> "+fetched+"\nexit 1\n"), 0o755))
	t.Setenv("GIT_SSH", filepath.Join(root.Dir, "helper"))
	t.Setenv("GIT_SSH_VARIANT", "simple")
	r := newRunner(t, "git@git.example.com:%s.git", func(c *gitrunner.Config) { c.Policy = policy.Policy{Plugins: []string{"infra/*"}} })
	for _, repo := range []string{
		"Infra/disk", "INFRA/disk", "ınfra/disk", "infrа/disk", "infra/disk\u200b", "ｉnfra/disk", "infra\u2215disk", "infra/dısk",
		"infra/../evil/disk", "infra/./disk", "infra//disk", "./infra/disk", "infra/disk/../../evil/disk", "infra/disk/more",
		"infra%2fdisk", "infra/%2e%2e", "infra\\disk", "infra/disk.git", "infra/-oProxyCommand=x", "-infra/disk", "evil/infra/disk", "evil:infra/disk",
		"infra/disk\x00", "infra/disk\n", "infra/.disk", " infra/disk",
	} {
		p := agent.Plugin{Namespace: "db.example", Name: "PLUGIN.disk", Repo: repo}
		for name, call := range map[string]func() error{
			"install":  func() error { return r.Install(t.Context(), p) },
			"update":   func() error { return r.Update(t.Context(), p) },
			"rollback": func() error { return r.Rollback(t.Context(), p) },
			"run":      func() error { _, err := r.Run(t.Context(), p, nil); return err },
		} {
			require.Error(t, call(), "%s %q", name, repo)
		}
		require.NoFileExists(t, fetched, "%q", repo)
	}
	good := agent.Plugin{Namespace: "db.example", Name: "PLUGIN.disk", Repo: "infra/disk"}
	require.Error(t, r.Install(t.Context(), good), "there is no server")
	asked, err := os.ReadFile(fetched)
	require.NoError(t, err, "what is allowed is asked for")
	require.Contains(t, string(asked), "infra/disk.git")
}

func TestAllowedSignersThatArePipesOrOthersAreRefusedWithoutWaiting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newSignedWorld(t)
	w.release(w.anna, "echo signed")
	r := w.runner()
	for name, spoil := range map[string]func() error{
		"a pipe":      func() error { return syscall.Mkfifo(w.signers, 0o600) },
		"a directory": func() error { return os.Mkdir(w.signers, 0o700) },
		"a link":      func() error { return os.Symlink("/dev/zero", w.signers) },
		"of others": func() error {
			return errors.Join(os.WriteFile(w.signers, []byte("anna "+w.anna.Public()), 0o600), os.Chmod(w.signers, 0o622))
		},
		"in a directory of others": func() error {
			open := filepath.Join(tempDir(t), "open")
			if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(open, "signers"), w.signers)
		},
	} {
		require.NoError(t, os.RemoveAll(w.signers))
		require.NoError(t, spoil(), name)
		requireUnsigned(t, r.Install(t.Context(), mysql()), w.signers)
		requireOnlyThePlugins(t, w.dir)
	}
	require.NoError(t, os.RemoveAll(w.signers))
	w.allow("anna " + w.anna.Public())
	require.NoError(t, r.Install(t.Context(), mysql()), "it is read at each install")
}
