package signature

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// line is one line of an allowed_signers file.
type line struct {
	number     int
	principals string
	key        ssh.PublicKey
	namespaces string    // a pattern list; empty: all
	after      time.Time // zero: since ever
	before     time.Time // zero: for ever
}

// allows returns an error if the line's key may not sign for git at this time.
func (l line) allows(at time.Time) error {
	switch {
	case l.namespaces != "" && !matchesList(l.namespaces, namespace):
		return fmt.Errorf("is only for the namespaces %q, not for git", l.namespaces)
	case !l.after.IsZero() && at.Before(l.after):
		return fmt.Errorf("is valid after %s only", l.after.UTC().Format(time.RFC3339))
	case !l.before.IsZero() && at.After(l.before):
		return fmt.Errorf("was valid before %s only", l.before.UTC().Format(time.RFC3339))
	}
	return nil
}

// parseLine reads "PRINCIPALS [OPTIONS] KEYTYPE KEY [COMMENT]".
func parseLine(text string) (l line, err error) {
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return line{}, errors.New("it contains a control character")
	}
	principals, rest, err := field(text)
	if err != nil {
		return line{}, err
	}
	if l.principals = strings.Trim(principals, `"`); l.principals == "" || strings.Contains(l.principals, `"`) {
		return line{}, errors.New("it does not begin with a principal, such as anna@example.com")
	}
	kind, rest, err := field(rest)
	if err == nil && algorithms[kind] == nil && !isKeyType(kind) {
		if err := l.readOptions(kind); err != nil {
			return line{}, err
		}
		kind, rest, err = field(rest)
	}
	if err != nil {
		return line{}, err
	}
	encoded, _, err := field(rest)
	if err != nil {
		return line{}, err
	}
	l.key, err = parseKey(kind, encoded)
	return l, err
}

// isKeyType reports whether text is a kind of keys, allowed or not, and not an option.
func isKeyType(word string) bool {
	return !strings.ContainsAny(word, `="`) && (strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-") || strings.HasPrefix(word, "sk-"))
}

// field cuts off the first field of a line. Blanks in quotes are part of it.
func field(text string) (first, rest string, err error) {
	text = strings.TrimLeft(text, " \t")
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted && i+1 < len(text) && text[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return text[:i], text[i:], nil
		}
	}
	if quoted {
		return "", "", errors.New(`a quote " has no end`)
	}
	return text, "", nil
}

// readOptions reads options, which are separated by commas.
func (l *line) readOptions(text string) error {
	for text != "" {
		name, rest, hasValue := cutOption(text)
		var value string
		if hasValue {
			var err error
			if value, rest, err = unquote(rest); err != nil {
				return fmt.Errorf("option %s: %w", name, err)
			}
		}
		if err := l.set(strings.ToLower(name), value, hasValue); err != nil {
			return err
		}
		if rest != "" && (rest[0] != ',' || rest == ",") {
			return fmt.Errorf("option %s: a comma and another option, or a blank must follow, not %q", name, rest)
		}
		text = strings.TrimPrefix(rest, ",")
	}
	return nil
}

// cutOption cuts off an option's name.
func cutOption(text string) (name, rest string, hasValue bool) {
	i := strings.IndexAny(text, "=,")
	switch {
	case i < 0:
		return text, "", false
	case text[i] == '=':
		return text[:i], text[i+1:], true
	}
	return text[:i], text[i:], false
}

// unquote cuts off a value in quotes.
func unquote(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New(`its value must stand in quotes "…"`)
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '"':
			i++
		case text[i] == '"':
			return strings.ReplaceAll(text[1:i], `\"`, `"`), text[i+1:], nil
		}
	}
	return "", "", errors.New(`a quote " has no end`)
}

// set applies one option.
func (l *line) set(name, value string, hasValue bool) (err error) {
	switch {
	case name == "cert-authority":
		return errors.New("cert-authority is not supported: list the signers' own keys")
	case name != "namespaces" && name != "valid-after" && name != "valid-before":
		return fmt.Errorf("%q is neither an option (namespaces, valid-after, valid-before) nor a kind of key", name)
	case !hasValue || value == "":
		return fmt.Errorf(`option %s has no value; write %[1]s="…"`, name)
	case name == "namespaces" && l.namespaces != "", name == "valid-after" && !l.after.IsZero(), name == "valid-before" && !l.before.IsZero():
		return fmt.Errorf("option %s is written twice", name)
	case name == "namespaces":
		l.namespaces = value
	case name == "valid-after":
		l.after, err = parseTime(value)
	default:
		l.before, err = parseTime(value)
	}
	if err == nil && !l.after.IsZero() && !l.before.IsZero() && !l.before.After(l.after) {
		return errors.New("valid-before is not after valid-after")
	}
	return err
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in the system's time zone, or in
// UTC if a Z follows.
func parseTime(text string) (time.Time, error) {
	digits, utc := strings.CutSuffix(strings.ToUpper(text), "Z")
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(digits) == len(layout) {
			if t, err := time.ParseInLocation(layout, digits, zone); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write YYYYMMDD or YYYYMMDDHHMM, with a Z at its end for UTC", text)
}

// minRSA is the shortest RSA key that is allowed, in bits.
const minRSA = 2048

func parseKey(kind, encoded string) (ssh.PublicKey, error) {
	if kind == "" || encoded == "" {
		return nil, errors.New("it has no key; a line is PRINCIPAL KEYTYPE KEY, as in anna@example.com ssh-ed25519 AAAA…")
	}
	if algorithms[kind] == nil {
		return nil, fmt.Errorf("%q is not a kind of key that may sign; use ssh-ed25519, ecdsa, ssh-rsa, or their sk- kinds", kind)
	}
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("its key is not in base64")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil || key.Type() != kind {
		return nil, fmt.Errorf("its key is damaged, or of another kind than %s", kind)
	}
	if crypto, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() < minRSA {
			return nil, fmt.Errorf("its RSA key has %d bits, but needs at least %d; use ssh-ed25519", k.N.BitLen(), minRSA)
		}
	}
	return key, nil
}

// matchesList matches a pattern list of ssh_config(5): patterns with * and ?, separated by
// commas. A text that matches a pattern with ! in front does not match the list.
func matchesList(list, text string) bool {
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if ok, err := path.Match(literalBrackets.Replace(pattern), text); ok && err == nil {
			if negated {
				return false
			}
			matched = true
		}
	}
	return matched
}

var literalBrackets = strings.NewReplacer(`\`, `\\`, `[`, `\[`)
