package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Key is an ssh key that signs.
type Key struct {
	t testing.TB
	// Path of the private key; the public one has .pub behind it.
	Path string
}

// NewKey makes a key with ssh-keygen: "ed25519", or "rsa -b 2048", for example.
// It skips the test where ssh-keygen is not installed.
func NewKey(t testing.TB, kind string) *Key {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	key := &Key{t, filepath.Join(t.TempDir(), "key")}
	args := append([]string{"-q", "-N", "", "-C", "a key", "-f", key.Path, "-t"}, strings.Fields(kind)...)
	out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return key
}

// Public returns the public key as a line of a file has it: KIND KEY.
func (k *Key) Public() string {
	k.t.Helper()
	text, err := os.ReadFile(k.Path + ".pub")
	require.NoError(k.t, err)
	return strings.Join(strings.Fields(string(text))[:2], " ")
}

// Sign signs a text in a namespace, and returns the armored signature.
func (k *Key) Sign(namespace string, text []byte) string {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), "text")
	require.NoError(k.t, os.WriteFile(file, text, 0o600))
	out, err := exec.Command("ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", k.Path, file).CombinedOutput()
	require.NoError(k.t, err, "%s", out)
	armored, err := os.ReadFile(file + ".sig")
	require.NoError(k.t, err)
	return string(armored)
}

// SignedCommit commits the working tree, signed with the key, and returns the
// commit.
func (r *Repo) SignedCommit(key *Key) string {
	r.t.Helper()
	r.Git("add", "--all")
	r.signing(key, "commit", "--quiet", "--allow-empty", "-S", "--message=a change")
	return strings.TrimSpace(r.Git("rev-parse", "HEAD"))
}

// SignedTag makes a signed tag of a commit, also in place of an older one.
func (r *Repo) SignedTag(key *Key, name, commit string) {
	r.t.Helper()
	r.signing(key, "tag", "--force", "-s", "-m", "a release", name, commit)
}

func (r *Repo) signing(key *Key, args ...string) {
	r.t.Helper()
	r.Git(append([]string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + key.Path + ".pub"}, args...)...)
}

// CommitObject makes a commit of a raw object, moves the branch to it, and
// returns its id.
func (r *Repo) CommitObject(raw string) string {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "object")
	require.NoError(r.t, os.WriteFile(file, []byte(raw), 0o600))
	id := strings.TrimSpace(r.Git("hash-object", "-t", "commit", "-w", "--literally", file))
	r.Git("update-ref", "HEAD", id)
	return id
}
