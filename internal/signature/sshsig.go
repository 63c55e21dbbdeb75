package signature

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// namespace is that of git's signatures. A signature of another namespace was made for
// something else, such as a file.
const namespace = "git"

// sshsig is a signature (OpenSSH's PROTOCOL.sshsig).
type sshsig struct {
	Magic     [6]byte
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

var magic = [6]byte{'S', 'S', 'H', 'S', 'I', 'G'}

// parseSSHSig reads an armored signature that git may have made.
func parseSSHSig(armored string) (sshsig, error) {
	if !strings.HasPrefix(armored, sshBegin+"\n") {
		return sshsig{}, errors.New("is signed with PGP or X.509, and only SSH signatures are verified (git config gpg.format ssh)")
	}
	body, ok := strings.CutSuffix(strings.TrimRight(armored[len(sshBegin):], "\n"), "\n"+sshEnd)
	if !ok {
		return sshsig{}, errTruncated
	}
	blob, err := base64.StdEncoding.DecodeString(body) // skips newlines
	if err != nil {
		return sshsig{}, errTruncated
	}
	var s sshsig
	if err := ssh.Unmarshal(blob, &s); err != nil || s.Magic != magic {
		return sshsig{}, errTruncated
	}
	switch {
	case s.Version != 1:
		return sshsig{}, fmt.Errorf("has a signature of version %d, and only version 1 is known", s.Version)
	case s.Namespace != namespace:
		return sshsig{}, fmt.Errorf("has a signature that was made in the namespace %.40q, not in git's", s.Namespace)
	case s.Hash != "sha256" && s.Hash != "sha512":
		return sshsig{}, fmt.Errorf("has a signature with the hash %.40q, and only sha256 and sha512 are allowed", s.Hash)
	}
	return s, nil
}

var (
	errTruncated = errors.New("has a signature that is truncated or damaged")
	errWrong     = errors.New("has a signature of something else, or has been changed since it was signed")
)

// verify returns an error unless the key has signed the payload.
func (s sshsig) verify(key ssh.PublicKey, payload []byte) error {
	var digest []byte
	if s.Hash == "sha256" {
		sum := sha256.Sum256(payload)
		digest = sum[:]
	} else {
		sum := sha512.Sum512(payload)
		digest = sum[:]
	}
	data := ssh.Marshal(struct {
		Magic                     [6]byte
		Namespace, Reserved, Hash string
		Digest                    []byte
	}{magic, s.Namespace, s.Reserved, s.Hash, digest})
	var made ssh.Signature
	if ssh.Unmarshal(s.Signature, &made) != nil {
		return errTruncated
	}
	if !slices.Contains(algorithms[key.Type()], made.Format) {
		return fmt.Errorf("has a signature of the kind %.40q, which is not allowed", made.Format)
	}
	if key.Verify(data, &made) != nil {
		return errWrong
	}
	return nil
}

// algorithms are the kinds of signatures of each allowed kind of key. RSA with SHA-1 and DSA
// are not allowed.
var algorithms = map[string][]string{
	ssh.KeyAlgoED25519:    {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256:   {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384:   {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521:   {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoRSA:        {ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512},
	ssh.KeyAlgoSKED25519:  {ssh.KeyAlgoSKED25519},
	ssh.KeyAlgoSKECDSA256: {ssh.KeyAlgoSKECDSA256},
}
