package signature_test

import (
	"crypto/sha1"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/signature"
)

// signers are those that the lines of an allowed_signers file list.
func signers(t testing.TB, lines ...string) *signature.Signers {
	t.Helper()
	s, err := signature.ParseSigners("signers", []byte(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return s
}

// version reads a version out of a repository, and its tag if it names one.
func version(repo *gittest.Repo, commit, tag string) signature.Version {
	v := signature.Version{ID: commit, Commit: []byte(repo.Git("cat-file", "commit", commit)), TagName: tag}
	if tag != "" && strings.TrimSpace(repo.Git("cat-file", "-t", "refs/tags/"+tag)) == "tag" {
		v.Tag = []byte(repo.Git("cat-file", "tag", "refs/tags/"+tag))
	}
	return v
}

func newRepo(t testing.TB) *gittest.Repo { return gittest.NewRoot(t).Repo("dba/mysql") }

func TestASignedCommitNamesItsSigner(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			repo, key := newRepo(t), gittest.NewKey(t, kind)
			v := version(repo, repo.SignedCommit(key), "")
			signer, err := v.Signer(signers(t, "anna@example.com "+key.Public()), time.Now())
			require.NoError(t, err)
			require.Equal(t, "anna@example.com", signer)
		})
	}
}

func TestARepositoryOfSHA256IsVerifiedToo(t *testing.T) {
	repo, key := newRepo(t), gittest.NewKey(t, "ed25519")
	require.NoError(t, os.RemoveAll(filepath.Join(repo.Dir, ".git")))
	repo.Git("init", "--quiet", "--object-format=sha256")
	commit := repo.SignedCommit(key)
	require.Len(t, commit, 64)
	signer, err := version(repo, commit, "").Signer(signers(t, "anna "+key.Public()), time.Now())
	require.NoError(t, err)
	require.Equal(t, "anna", signer)
}

func TestASignedTagVouchesForItsCommitUnderItsOwnName(t *testing.T) {
	repo, key := newRepo(t), gittest.NewKey(t, "ed25519")
	anna := signers(t, "anna "+key.Public())
	commit, other := repo.Commit(), repo.Commit()
	repo.SignedTag(key, "v1", commit)
	signer, err := version(repo, commit, "v1").Signer(anna, time.Now())
	require.NoError(t, err)
	require.Equal(t, "anna", signer)

	_, err = version(repo, commit, "").Signer(anna, time.Now())
	require.ErrorContains(t, err, "commit "+commit+" is not signed; let one of the signers sign the commit (git commit -S), or sign a tag")
	v := version(repo, commit, "v1")
	v.TagName = "v2"
	_, err = v.Signer(anna, time.Now())
	require.ErrorContains(t, err, `its tag v2 is the tag "v1" under another name`)
	v = version(repo, other, "")
	v.TagName, v.Tag = "v1", version(repo, commit, "v1").Tag
	_, err = v.Signer(anna, time.Now())
	require.ErrorContains(t, err, "its tag v1 is not a tag of that commit itself")
}

func TestASignedCommitNeedsNoSignedTag(t *testing.T) {
	repo, key := newRepo(t), gittest.NewKey(t, "ed25519")
	commit := repo.SignedCommit(key)
	repo.Git("tag", "light")
	repo.Git("tag", "-a", "-m", "unsigned", "annotated")
	repo.SignedTag(gittest.NewKey(t, "ed25519"), "stranger", commit)
	for _, tag := range []string{"light", "annotated", "stranger"} {
		_, err := version(repo, commit, tag).Signer(signers(t, "anna "+key.Public()), time.Now())
		require.NoError(t, err, tag)
	}
}

func TestWhatNoSignerHasSignedIsRefusedWithTheReason(t *testing.T) {
	key, stranger := gittest.NewKey(t, "ed25519"), gittest.NewKey(t, "ed25519")
	anna := "anna " + key.Public()
	cases := map[string]struct {
		make    func(*gittest.Repo) string
		signers string
		want    string
	}{
		"unsigned":      {(*gittest.Repo).Commit, anna, "is not signed"},
		"stranger":      {signedBy(stranger), anna, "is signed with the key SHA256:"},
		"expired":       {signedBy(key), `anna valid-before="20200101Z" ` + key.Public(), "is signed by anna, whose key (signers:1) was valid before 2020-01-01T00:00:00Z only"},
		"not yet valid": {signedBy(key), `anna valid-after="20990101Z" ` + key.Public(), "is valid after 2099-01-01T00:00:00Z only"},
		"for files only": {signedBy(key), `anna namespaces="file,git-x" ` + key.Public(),
			`is only for the namespaces "file,git-x", not for git`},
		"removed":           {signedBy(key), "bert " + stranger.Public(), "which is not in signers"},
		"another object":    {forged(func(payload string) string { return key.Sign("git", []byte("x"+payload)) }), anna, "a signature of something else"},
		"another namespace": {forged(func(payload string) string { return key.Sign("file", []byte(payload)) }), anna, `made in the namespace "file", not in git's`},
		"truncated": {forged(func(payload string) string {
			lines := strings.SplitAfter(key.Sign("git", []byte(payload)), "\n")
			return strings.Join(append(lines[:3], lines[4:]...), "")
		}), anna, "truncated or damaged"},
		"without its end": {forged(func(payload string) string {
			return strings.Replace(key.Sign("git", []byte(payload)), "END SSH", "end ssh", 1)
		}), anna, "truncated or damaged"},
		"PGP": {forged(func(string) string {
			return "-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n"
		}), anna, "is signed with PGP or X.509, and only SSH signatures are verified"},
		"two signatures, one after the other": {forged(func(payload string) string {
			return key.Sign("git", []byte(payload)) + key.Sign("git", []byte(payload))
		}), anna, "truncated or damaged"},
		"header twice": {func(repo *gittest.Repo) string {
			raw := repo.Git("cat-file", "commit", repo.Commit())
			sig := inHeader("gpgsig", key.Sign("git", []byte(raw)))
			return repo.CommitObject(strings.Replace(raw, "\n\n", "\n"+sig+sig+"\n", 1))
		}, anna, "more than one signature"},
		"of another hash": {func(repo *gittest.Repo) string {
			raw := repo.Git("cat-file", "commit", repo.Commit())
			return repo.CommitObject(strings.Replace(raw, "\n\n", "\n"+inHeader("gpgsig-sha256", key.Sign("git", []byte(raw)))+"\n", 1))
		}, anna, "one of another hash"},
		"changed since": {func(repo *gittest.Repo) string {
			raw := repo.Git("cat-file", "commit", repo.SignedCommit(key))
			return repo.CommitObject(strings.Replace(raw, "a change", "another", 1))
		}, anna, "has been changed since it was signed"},
		"NUL": {func(repo *gittest.Repo) string {
			return repo.CommitObject(repo.Git("cat-file", "commit", repo.SignedCommit(key)) + "\x00tree")
		}, anna, "NUL byte"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := newRepo(t)
			commit := c.make(repo)
			_, err := version(repo, commit, "").Signer(signers(t, c.signers), time.Now())
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "commit "+commit)
		})
	}
}

func signedBy(key *gittest.Key) func(*gittest.Repo) string {
	return func(repo *gittest.Repo) string { return repo.SignedCommit(key) }
}

// forged makes a commit with a signature that sign makes of its payload.
func forged(sign func(payload string) string) func(*gittest.Repo) string {
	return func(repo *gittest.Repo) string {
		raw := repo.Git("cat-file", "commit", repo.Commit())
		return repo.CommitObject(strings.Replace(raw, "\n\n", "\n"+inHeader("gpgsig", sign(raw))+"\n", 1))
	}
}

// inHeader writes a signature as a header of a commit.
func inHeader(name, armored string) string {
	return name + " " + strings.ReplaceAll(strings.TrimSuffix(armored, "\n"), "\n", "\n ") + "\n"
}

func TestTagsThatNoSignerHasSignedAreRefusedWithTheReason(t *testing.T) {
	repo, key := newRepo(t), gittest.NewKey(t, "ed25519")
	commit := repo.Commit()
	repo.SignedTag(key, "v1", commit)
	good := version(repo, commit, "v1")
	text := string(good.Tag)
	begin := strings.Index(text, "-----BEGIN")
	for name, c := range map[string]struct{ tag, want string }{
		"unsigned":       {text[:begin], "its tag v1 is not signed"},
		"two signatures": {text + text[begin:], "its tag v1 cannot be read: it has more than one signature"},
		"changed":        {strings.Replace(text, "a release", "another", 1), "its tag v1 has a signature of something else"},
		"truncated":      {text[:len(text)-40], "its tag v1 has a signature that is truncated"},
		"followed":       {text + "and more\n", "its tag v1 has a signature that is truncated"},
		"PGP":            {text[:begin] + "-----BEGIN PGP SIGNATURE-----\n", "its tag v1 is signed with PGP"},
		"two names":      {strings.Replace(text, "tag v1\n", "tag v1\n v2\n", 1), "its header tag is missing or in the wrong place"},
		"garbage":        {"garbage", "no end of its headers"},
		"empty":          {"", "no end of its headers"},
	} {
		v := good
		v.Tag = []byte(c.tag)
		_, err := v.Signer(signers(t, "anna "+key.Public()), time.Now())
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := good.Signer(signers(t, "anna "+key.Public()), time.Now())
	require.NoError(t, err)
}

func TestACommitUnderAnotherIDIsDamaged(t *testing.T) {
	repo, key := newRepo(t), gittest.NewKey(t, "ed25519")
	v := version(repo, repo.SignedCommit(key), "")
	v.ID = repo.SignedCommit(key)[:39] + "0"
	_, err := v.Signer(signers(t, "anna "+key.Public()), time.Now())
	require.ErrorContains(t, err, "is damaged")
	v.ID = "1234"
	_, err = v.Signer(signers(t, "anna "+key.Public()), time.Now())
	require.ErrorContains(t, err, "is damaged")
}

// at makes an unsigned version with this date and these parents.
func at(seconds int64, parents ...string) signature.Version {
	raw := "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
	for _, parent := range parents {
		raw += "parent " + parent + "\n"
	}
	raw += fmt.Sprintf("author a <a@b> 1 +0000\ncommitter a > b <a@b> %d +0100\n\nx\n", seconds)
	return signature.Version{ID: sha1ID(raw), Commit: []byte(raw)}
}

func TestAnOlderVersionIsTakenForAReplay(t *testing.T) {
	first := at(1000)
	installed := at(2000, first.ID)
	for name, c := range map[string]struct {
		next  signature.Version
		older bool
	}{
		"the same":                              {installed, false},
		"newer":                                 {at(2001), false},
		"of the same second":                    {at(2000), false},
		"older":                                 {at(1999), true},
		"its parent":                            {first, true},
		"its child, made with a slow clock":     {at(1500, installed.ID), false},
		"of a merge with it, with a slow clock": {at(1500, first.ID, installed.ID), false},
	} {
		err := c.next.CheckNewer(installed)
		if !c.older {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, "is older than "+installed.ID+" of 1970-01-01 00:33:20, which is in use", name)
	}
	parent := at(3000)
	require.ErrorContains(t, parent.CheckNewer(at(3000, parent.ID)), "is older", "of the same second")
}

func TestTheTreeOfADirectoryIsGits(t *testing.T) {
	repo := newRepo(t)
	repo.Write("plugin", "#!/bin/sh\n", 0o755)
	repo.Write("README", "", 0o644)
	repo.Write("lib/a.sh", "a", 0o644)
	repo.Write("lib.sh", "sorts before lib/", 0o644)
	repo.Write("lib0", "sorts behind lib/", 0o644)
	repo.Write("deep/er/ünïcode name", "x", 0o644)
	require.NoError(t, os.Symlink("../plugin", filepath.Join(repo.Dir, "lib", "link")))
	v := version(repo, repo.Commit(), "")
	want, err := v.Tree()
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(repo.Git("rev-parse", "HEAD^{tree}")), want)
	tree := func() string {
		got, err := signature.TreeOf(repo.Dir, len(v.ID), 1<<20)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, want, tree())
	for name, change := range map[string]func(path string) error{
		"content": func(p string) error { return os.WriteFile(p+"/lib/a.sh", []byte("b"), 0o644) },
		"new":     func(p string) error { return os.WriteFile(p+"/lib/new", nil, 0o644) },
		"mode":    func(p string) error { return os.Chmod(p+"/README", 0o755) },
		"removed": func(p string) error { return os.Remove(p + "/lib0") },
		"link":    func(p string) error { return os.Symlink("/bin/sh", p+"/x") },
	} {
		require.NoError(t, change(repo.Dir))
		require.NotEqual(t, want, tree(), name)
		repo.Git("reset", "--quiet", "--hard")
		repo.Git("clean", "-ffdxq")
		require.Equal(t, want, tree(), name)
	}
	_, err = signature.TreeOf(repo.Dir, len(v.ID), 10)
	require.ErrorContains(t, err, "larger than any version may be")
	require.NoError(t, os.Mkdir(filepath.Join(repo.Dir, "empty"), 0o755))
	_, err = signature.TreeOf(repo.Dir, len(v.ID), 1<<20)
	require.ErrorContains(t, err, "is an empty directory, which git keeps for submodules only")
}

func TestSignersAreReadAsSSHKeygenReadsThem(t *testing.T) {
	key, other := gittest.NewKey(t, "ed25519"), gittest.NewKey(t, "ed25519")
	text := at(1000).Commit
	armored := key.Sign("git", text)
	pub := key.Public()
	for _, file := range []string{
		"anna " + pub,
		"  anna\t" + pub + "  a comment with \"quotes\"",
		"anna,bert " + pub,
		`"anna" ` + pub,
		"# comment\n\nanna " + pub,
		"bert " + other.Public() + "\nanna " + pub,
		"bert " + other.Public(),
		`anna namespaces="git" ` + pub,
		`anna namespaces="file,g?t" ` + pub,
		`anna namespaces="*,!git" ` + pub,
		`anna namespaces="*" ` + pub,
		`anna namespaces="file" ` + pub,
		`anna NAMESPACES="git",valid-after="20200101" ` + pub,
		`anna valid-after="202001011200Z",valid-before="20990101120000" ` + pub,
		`anna valid-before="20200101" ` + pub,
		`anna valid-before="20200101" ` + pub + "\nanna " + pub,
		`anna valid-before="2020" ` + pub,
		`anna valid-before=20990101 ` + pub,
		`anna namespaces="git ` + pub,
		`anna revoked ` + pub,
		"anna",
		"anna ssh-ed25519",
		"anna ssh-ed25519 AAAA",
		"anna ssh-rsa " + strings.Fields(pub)[1],
		pub,
		"garbage",
		"",
	} {
		want := sshKeygenAllows(t, file, armored, text)
		signer, err := "", error(nil)
		if s, parseErr := signature.ParseSigners("signers", []byte(file)); parseErr != nil {
			err = parseErr
		} else {
			signer, err = signedWith(text, armored).Signer(s, time.Now())
		}
		require.Equal(t, want, err == nil, "%s: %q, %v", file, signer, err)
	}
}

// signedWith returns a commit with a signature.
func signedWith(payload []byte, armored string) signature.Version {
	raw := strings.Replace(string(payload), "\n\n", "\n"+inHeader("gpgsig", armored)+"\n", 1)
	return signature.Version{ID: sha1ID(raw), Commit: []byte(raw)}
}

// sha1ID is the id of a commit.
func sha1ID(raw string) string {
	return fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(raw), raw)))
}

// sshKeygenAllows asks ssh-keygen whether anna has made the signature.
func sshKeygenAllows(t *testing.T, file, armored string, text []byte) bool {
	t.Helper()
	dir := t.TempDir()
	signersFile, sigFile := filepath.Join(dir, "signers"), filepath.Join(dir, "sig")
	require.NoError(t, os.WriteFile(signersFile, []byte(file+"\n"), 0o600))
	require.NoError(t, os.WriteFile(sigFile, []byte(armored), 0o600))
	cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", signersFile, "-I", "anna", "-n", "git", "-s", sigFile)
	cmd.Stdin = strings.NewReader(string(text))
	return cmd.Run() == nil
}
