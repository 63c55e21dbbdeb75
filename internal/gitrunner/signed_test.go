//go:build linux

package gitrunner_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/policy"
)

// signedWorld is a repository whose releases anna signs, and a host that accepts only her
// signatures.
type signedWorld struct {
	t    testing.TB
	root *gittest.Root
	repo *gittest.Repo
	anna *gittest.Key
	// dir is the host's plugins directory, signers its allowed_signers file.
	dir, signers string
}

func newSignedWorld(t testing.TB) *signedWorld {
	w := &signedWorld{t: t, root: gittest.NewRoot(t), anna: gittest.NewKey(t, "ed25519"), dir: tempDir(t)}
	w.signers = filepath.Join(tempDir(t), "allowed_signers")
	w.repo = w.root.Plugin("dba/mysql", "echo unsigned")
	w.allow("anna@example.com " + w.anna.Public())
	return w
}

// allow writes the allowed_signers file.
func (w *signedWorld) allow(lines ...string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.signers, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// release commits a new script, signed with the key.
func (w *signedWorld) release(key *gittest.Key, script string) string {
	w.t.Helper()
	w.repo.Write("plugin", "#!/bin/sh\n"+script+"\n", 0o755)
	return w.repo.SignedCommit(key)
}

func (w *signedWorld) runner(change ...func(*gitrunner.Config)) *gitrunner.Runner {
	w.t.Helper()
	signed := func(c *gitrunner.Config) { c.Policy = policy.Policy{Signers: w.signers} }
	return newRunner(w.t, w.root.Template(), append([]func(*gitrunner.Config){in(w.dir), signed}, change...)...)
}

// requireUnsigned requires that an error is a refusal of a signature.
func requireUnsigned(t testing.TB, err error, want string) {
	t.Helper()
	var refused *agent.PolicyError
	require.True(t, errors.As(err, &refused), "%v", err)
	require.Equal(t, "policy.signers", refused.Rule)
	require.ErrorContains(t, err, "refused by policy.signers: ")
	require.ErrorContains(t, err, want)
}

func TestASignedReleaseIsInstalledAndItsSignerShown(t *testing.T) {
	w := newSignedWorld(t)
	commit := w.release(w.anna, "echo signed")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "signed\n", run(t, r))
	details := r.InspectPlugin(mysql())
	require.Equal(t, commit, details.Commit)
	require.Equal(t, "anna@example.com", details.Signer)

	require.NoError(t, r.Close(t.Context()))
	r = w.runner()
	require.NoError(t, os.RemoveAll(w.repo.Dir))
	require.NoError(t, r.Install(t.Context(), mysql()), "it is verified again without a fetch")
	require.Equal(t, "signed\n", run(t, r))
	require.Equal(t, "anna@example.com", r.InspectPlugin(mysql()).Signer)
}

func TestWhatNoSignerHasSignedIsNeitherInstalledNorRun(t *testing.T) {
	stranger := gittest.NewKey(t, "ed25519")
	for name, c := range map[string]struct {
		spoil func(*signedWorld)
		want  string
	}{
		"unsigned":    {func(w *signedWorld) { w.repo.Release("echo new") }, "is not signed; let one of the signers sign the commit (git commit -S)"},
		"stranger":    {func(w *signedWorld) { w.release(stranger, "echo new") }, "is signed with the key SHA256:"},
		"expired":     {func(w *signedWorld) { w.allow(`anna valid-before="20200101" ` + w.anna.Public()) }, "is signed by anna, whose key"},
		"removed":     {func(w *signedWorld) { w.allow("bert " + stranger.Public()) }, "which is not in "},
		"no file":     {func(w *signedWorld) { os.Remove(w.signers) }, "allowed_signers does not exist"},
		"empty file":  {func(w *signedWorld) { w.allow() }, "lists no signer"},
		"garbage":     {func(w *signedWorld) { w.allow("anna "+w.anna.Public(), "garbage") }, "allowed_signers:2: "},
		"writable":    {func(w *signedWorld) { os.Chmod(w.signers, 0o666) }, "is writable by others than its owner"},
		"signed once": {func(w *signedWorld) { w.release(w.anna, "echo signed"); w.repo.Release("echo new") }, "is not signed"},
		"changed by git": {func(w *signedWorld) {
			w.repo.Write(".gitattributes", "README eol=crlf\n", 0o644)
			w.release(w.anna, "echo new")
		}, "are not those of the signed commit"},
	} {
		for _, installed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", name, installed), func(t *testing.T) {
				t.Parallel()
				w := newSignedWorld(t)
				r := w.runner()
				w.release(w.anna, "echo old")
				if installed {
					require.NoError(t, r.Install(t.Context(), mysql()))
				}
				w.release(w.anna, "echo new")
				c.spoil(w)
				requireUnsigned(t, r.Update(t.Context(), mysql()), c.want)
				if installed {
					require.Equal(t, "old\n", run(t, r), "what ran goes on")
					requireOnlyThePlugins(t, w.dir, "db.example/mysql")
					return
				}
				requireOnlyThePlugins(t, w.dir)
				requireUnsigned(t, r.Install(t.Context(), mysql()), c.want)
				_, err := r.Run(t.Context(), mysql(), nil)
				require.Error(t, err)
			})
		}
	}
}

// versioned is the plugin in a version.
func versioned(version string) agent.Plugin {
	p := mysql()
	p.Version = version
	return p
}

func TestASignedTagIsEnoughWhereTheRegistryNamesIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	commit := w.repo.Release("echo tagged")
	w.repo.SignedTag(w.anna, "v1", commit)
	r := w.runner()
	requireUnsigned(t, r.Install(t.Context(), mysql()), "commit "+commit+" is not signed")
	requireUnsigned(t, r.Install(t.Context(), versioned(commit)), "commit "+commit+" is not signed")
	requireOnlyThePlugins(t, w.dir)
	require.NoError(t, r.Install(t.Context(), versioned("v1")))
	require.Equal(t, "tagged\n", run(t, r))
	require.Equal(t, "anna@example.com", r.InspectPlugin(mysql()).Signer)
}

func TestATagThatVouchesForNothingIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, c := range map[string]struct {
		tag  func(w *signedWorld, commit string)
		want string
	}{
		"light":         {func(w *signedWorld, c string) { w.repo.Git("tag", "v1", c) }, "is not signed; let one of the signers sign the tag (git tag -s)"},
		"unsigned":      {func(w *signedWorld, c string) { w.repo.Git("tag", "-a", "-m", "x", "v1", c) }, "is not signed, and its tag v1 is not signed"},
		"of a stranger": {func(w *signedWorld, c string) { w.repo.SignedTag(gittest.NewKey(t, "ed25519"), "v1", c) }, "and its tag v1 is signed with the key SHA256:"},
		"renamed": {func(w *signedWorld, c string) {
			w.repo.SignedTag(w.anna, "v0", c)
			w.repo.Git("update-ref", "refs/tags/v1", strings.TrimSpace(w.repo.Git("rev-parse", "v0")))
		}, `its tag v1 is the tag "v0" under another name`},
		"of a tag": {func(w *signedWorld, c string) {
			w.repo.Git("tag", "-a", "-m", "x", "v0", c)
			w.repo.SignedTag(w.anna, "v1", "v0")
		}, "its tag v1 is not a tag of that commit itself"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSignedWorld(t)
			c.tag(w, w.repo.Release("echo tagged"))
			r := w.runner()
			requireUnsigned(t, r.Install(t.Context(), versioned("v1")), c.want)
			requireOnlyThePlugins(t, w.dir)
		})
	}
}

func TestATagThatWasMovedAfterTheInstallIsJudgedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	old := w.release(w.anna, "echo old")
	w.release(w.anna, "echo new")
	w.repo.Git("tag", "v1")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), versioned("v1")))
	w.repo.Git("tag", "--force", "v1", old)
	requireUnsigned(t, r.Update(t.Context(), versioned("v1")), "commit "+old+" of ")
	w.repo.Git("tag", "--force", "v1", w.repo.Release("echo evil"))
	requireUnsigned(t, r.Update(t.Context(), versioned("v1")), "is not signed")
	require.Equal(t, "new\n", run(t, r))
	w.release(w.anna, "echo newest")
	w.repo.Git("tag", "--force", "v1")
	require.NoError(t, r.Update(t.Context(), versioned("v1")))
	require.Equal(t, "newest\n", run(t, r))
}

func TestTheRegistryMayNameAnOlderSignedVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	old := w.release(w.anna, "echo old")
	w.repo.Git("tag", "v1")
	w.release(w.anna, "echo new")
	r := w.runner()
	for _, version := range []string{old, "v1"} {
		require.NoError(t, r.Install(t.Context(), mysql()))
		require.NoError(t, r.Update(t.Context(), mysql()))
		require.Equal(t, "new\n", run(t, r))
		require.NoError(t, r.Install(t.Context(), versioned(version)))
		require.Equal(t, "old\n", run(t, r))
	}
}

func TestARollbackLeadsToASignedVersionOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newSignedWorld(t)
	trusting := w.runner(func(c *gitrunner.Config) { c.Policy = policy.Policy{} })
	require.NoError(t, trusting.Install(t.Context(), mysql()))
	w.release(w.anna, "echo old")
	require.NoError(t, trusting.Update(t.Context(), mysql()))
	require.NoError(t, trusting.Close(t.Context()))

	r := w.runner()
	_, err := r.Run(t.Context(), mysql(), nil)
	requireResult(t, agent.RunPolicy, err)
	requireUnsigned(t, err, "was installed without a check of its signature")
	requireUnsigned(t, r.Rollback(t.Context(), mysql()), "is not signed")
	require.NoError(t, r.Install(t.Context(), mysql()), "it is fetched again, and judged")
	require.Equal(t, "old\n", run(t, r))
	w.release(w.anna, "echo new")
	require.NoError(t, r.Update(t.Context(), mysql()))
	require.Equal(t, "new\n", run(t, r))
	require.NoError(t, r.Rollback(t.Context(), mysql()))
	require.Equal(t, "old\n", run(t, r), "somebody here has asked for an older version")
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "old\n", run(t, r))
}

func TestAReplayedOlderReleaseIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	w := newSignedWorld(t)
	old := w.release(w.anna, "echo old")
	w.release(w.anna, "echo new")
	r := w.runner()
	require.NoError(t, r.Install(t.Context(), mysql()))
	w.repo.Git("reset", "--quiet", "--hard", old)
	requireUnsigned(t, r.Update(t.Context(), mysql()), "commit "+old+" of ")
	require.Equal(t, "new\n", run(t, r))
}

func TestFilesThatWereChangedOnDiskAreNotRunWhereThePluginsUserIsTheAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	asItself := func(c *gitrunner.Config) {
		if os.Geteuid() == 0 {
			c.User = "root"
		}
	}
	for name, change := range map[string]func(dir string) error{
		"plugin": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\necho evil\n"), 0o755)
		},
		"new file": func(dir string) error { return os.WriteFile(filepath.Join(dir, "python.py"), nil, 0o644) },
		"record": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".git", "agent-release.json"), []byte(`{"origin":"x"}`), 0o600)
		},
	} {
		w := newSignedWorld(t)
		w.release(w.anna, "echo signed")
		r := w.runner(asItself)
		require.NoError(t, r.Install(t.Context(), mysql()))
		require.Equal(t, "signed\n", run(t, r))
		require.NoError(t, change(filepath.Join(w.dir, "db.example", "mysql")), name)
		if name != "record" {
			_, err := r.Run(t.Context(), mysql(), nil)
			requireResult(t, agent.RunPolicy, err)
			requireUnsigned(t, err, "are not those of the signed commit")
		}
		require.NoError(t, r.Close(t.Context()))

		r = w.runner(asItself)
		_, err := r.Run(t.Context(), mysql(), nil)
		requireResult(t, agent.RunPolicy, err)
		require.NoError(t, r.Install(t.Context(), mysql()), "it is fetched again")
		require.Equal(t, "signed\n", run(t, r), name)
	}
}
