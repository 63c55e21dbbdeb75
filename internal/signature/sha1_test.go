package signature_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func TestASignatureWithSHA1IsRefused(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	anna := signers(t, "anna "+string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	payload := at(1000).Commit
	for algorithm, want := range map[string]string{
		ssh.KeyAlgoRSASHA512: "",
		ssh.KeyAlgoRSASHA256: "",
		ssh.KeyAlgoRSA:       `has a signature of the kind "ssh-rsa", which is not allowed`,
	} {
		_, err := signedWith(payload, armoredBy(t, signer, algorithm, payload)).Signer(anna, time.Now())
		if want == "" {
			require.NoError(t, err, algorithm)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

// armoredBy signs as ssh-keygen would, with any algorithm.
func armoredBy(t *testing.T, signer ssh.Signer, algorithm string, payload []byte) string {
	t.Helper()
	type preamble struct {
		Magic [6]byte
	}
	magic := preamble{[6]byte([]byte("SSHSIG"))}
	digest := sha512.Sum512(payload)
	data := append(ssh.Marshal(magic), ssh.Marshal(struct{ Namespace, Reserved, Hash, Digest string }{"git", "", "sha512", string(digest[:])})...)
	made, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
	require.NoError(t, err)
	blob := append(ssh.Marshal(magic), ssh.Marshal(struct {
		Version                                         uint32
		PublicKey, Namespace, Reserved, Hash, Signature string
	}{1, string(signer.PublicKey().Marshal()), "git", "", "sha512", string(ssh.Marshal(made))})...)
	armored := string(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: blob}))
	require.True(t, strings.HasPrefix(armored, "-----BEGIN SSH SIGNATURE-----\n"))
	return armored
}
