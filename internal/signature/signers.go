package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lodastack/agent/internal/safefile"
)

// Signers are the keys of an allowed_signers file.
type Signers struct {
	name  string
	lines []line
}

// maxSigners is how large an allowed_signers file may be, in bytes: thousands of
// keys.
const maxSigners = 1 << 20

// ReadSigners reads an allowed_signers file. Its error names the line that is
// wrong. Only the agent's user and root may be able to change the file.
func ReadSigners(path string) (*Signers, error) {
	if err := safefile.CheckFile(path, false); err != nil {
		return nil, err
	}
	content, err := safefile.Read(path, maxSigners)
	var irregular *safefile.NotRegularError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist; write a line PRINCIPAL KEYTYPE KEY for each signer into it (ssh-keygen(1), ALLOWED SIGNERS)", path)
	case errors.As(err, &irregular):
		return nil, fmt.Errorf("%w; name the allowed_signers file itself", err)
	case err != nil:
		return nil, fmt.Errorf("reading the signers: %w", err)
	}
	return ParseSigners(path, content)
}

// ParseSigners reads the content of the allowed_signers file called name.
func ParseSigners(name string, content []byte) (*Signers, error) {
	s := &Signers{name: name}
	number := 0
	for text := range bytes.Lines(content) {
		number++
		trimmed := strings.TrimSpace(string(text))
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		l, err := parseLine(trimmed)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		l.number = number
		s.lines = append(s.lines, l)
	}
	if len(s.lines) == 0 {
		return nil, fmt.Errorf("%s lists no signer, so that nothing could be installed; write a line PRINCIPAL KEYTYPE KEY for each", name)
	}
	return s, nil
}

// principal returns who has made a signature. The error is the rest of a sentence that begins
// with the name of the signed object.
func (s *Signers) principal(what signed, at time.Time) (string, error) {
	if what.signature == "" {
		return "", errors.New("is not signed")
	}
	sig, err := parseSSHSig(what.signature)
	if err != nil {
		return "", err
	}
	err = fmt.Errorf("is signed with the key %s, which is not in %s", fingerprint(sig.PublicKey), s.name)
	for _, l := range s.lines {
		if !bytes.Equal(l.key.Marshal(), sig.PublicKey) {
			continue
		}
		if err := sig.verify(l.key, what.payload); err != nil {
			return "", err
		}
		if refused := l.allows(at); refused != nil {
			err = fmt.Errorf("is signed by %s, whose key (%s:%d) %w", l.principals, s.name, l.number, refused)
			continue // another line may allow the key
		}
		return l.principals, nil
	}
	return "", err
}

// fingerprint names a key as ssh-keygen -l does.
func fingerprint(key []byte) string {
	parsed, err := ssh.ParsePublicKey(key)
	if err != nil {
		return "(unreadable)"
	}
	return ssh.FingerprintSHA256(parsed)
}
