//go:build unix

package signature_test

import (
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/signature"
)

func TestAnAllowedSignersFileThatIsWrongIsRefusedWithTheReason(t *testing.T) {
	good := "anna " + gittest.NewKey(t, "ed25519").Public() + "\n"
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	short, err := ssh.NewPublicKey(&weak.PublicKey)
	require.NoError(t, err)
	rsa1024 := string(ssh.MarshalAuthorizedKey(short))
	write := func(content string, mode os.FileMode) func(string) error {
		return func(path string) error {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	for name, c := range map[string]struct {
		make func(path string) error
		want string // FILE stands for the file's path
	}{
		"good":              {write(good, 0o644), ""},
		"missing":           {func(string) error { return nil }, "FILE does not exist; write a line PRINCIPAL KEYTYPE KEY"},
		"empty":             {write("", 0o600), "FILE lists no signer"},
		"comments only":     {write("# anna\n\n", 0o600), "FILE lists no signer"},
		"writable":          {write(good, 0o666), "FILE is writable by others than its owner (mode 0666); run chmod go-w FILE"},
		"a pipe":            {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "FILE is a named pipe"},
		"a directory":       {func(path string) error { return os.Mkdir(path, 0o700) }, "FILE is a directory"},
		"a link":            {func(path string) error { return os.Symlink("/dev/zero", path) }, "FILE is a symbolic link"},
		"too large":         {write(strings.Repeat("#\n", 1<<19+1), 0o600), "FILE is larger than 1048576 bytes"},
		"garbage":           {write(good+"\xff\x00\x01", 0o600), "FILE:2: it contains a control character"},
		"one word":          {write(good+"\ngarbage\n", 0o600), "FILE:3: it has no key; a line is PRINCIPAL KEYTYPE KEY"},
		"no principal":      {write(strings.TrimPrefix(good, "anna "), 0o600), "FILE:1: "},
		"a certificate's":   {write(strings.Replace(good, "anna ", "anna cert-authority ", 1), 0o600), "FILE:1: cert-authority is not supported"},
		"revoked":           {write(strings.Replace(good, "anna ", "anna revoked ", 1), 0o600), `FILE:1: "revoked" is neither an option`},
		"DSA":               {write("anna ssh-dss AAAA\n", 0o600), `FILE:1: "ssh-dss" is not a kind of key that may sign`},
		"short RSA":         {write("anna "+rsa1024, 0o600), "FILE:1: its RSA key has 1024 bits, but needs at least 2048"},
		"no base64":         {write("anna ssh-ed25519 !!!!\n", 0o600), "FILE:1: its key is not in base64"},
		"swapped times":     {write(strings.Replace(good, "anna ", `anna valid-after="20300101",valid-before="20290101" `, 1), 0o600), "FILE:1: valid-before is not after valid-after"},
		"twice":             {write(strings.Replace(good, "anna ", `anna namespaces="git",namespaces="file" `, 1), 0o600), "FILE:1: option namespaces is written twice"},
		"no time":           {write(strings.Replace(good, "anna ", `anna valid-after="20301301" `, 1), 0o600), `FILE:1: "20301301" is not a time; write YYYYMMDD`},
		"options and blank": {write(strings.Replace(good, "anna ", `anna namespaces="git", `, 1), 0o600), "FILE:1: option namespaces: a comma and another option"},
	} {
		path := filepath.Join(t.TempDir(), "allowed_signers")
		require.NoError(t, c.make(path), name)
		_, err := signature.ReadSigners(path)
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, strings.ReplaceAll(c.want, "FILE", path), name)
	}
}

func TestAnAllowedSignersFileThatAGroupMayChangeIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "allowed_signers")
	require.NoError(t, os.WriteFile(path, []byte("anna "+gittest.NewKey(t, "ed25519").Public()), 0o600))
	require.NoError(t, os.Chown(path, 0, 12345))
	require.NoError(t, os.Chmod(path, 0o664))
	_, err := signature.ReadSigners(path)
	require.ErrorContains(t, err, "is writable by others")
	require.NoError(t, os.Chown(path, 12345, 12345))
	require.NoError(t, os.Chmod(path, 0o600))
	_, err = signature.ReadSigners(path)
	require.ErrorContains(t, err, "belongs to 12345")
}
