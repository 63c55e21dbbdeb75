package signature

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signed is an object that contains a signature, split in two.
type signed struct {
	payload   []byte // what is signed
	signature string // in its armor; empty: it is not signed
}

// commit has the parts of a commit that are needed here.
type commit struct {
	signed
	tree      string
	parents   []string
	authored  time.Time // zero: it has no valid date
	committed time.Time
}

// tag has the parts of an annotated tag that are needed here.
type tag struct {
	signed
	object, kind, name string
}

func (c commit) hasParent(id string) bool { return slices.Contains(c.parents, id) }

// newHash returns the hash that makes ids of this many hexadecimal digits.
func newHash(digits int) (hash.Hash, error) {
	switch digits {
	case 2 * sha1.Size:
		return sha1.New(), nil
	case 2 * sha256.Size:
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("an id of %d digits is neither one of SHA-1 nor of SHA-256", digits)
}

// objectID returns the id that git gives to an object.
func objectID(kind string, raw []byte, digits int) (string, error) {
	h, err := newHash(digits)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s %d\x00", kind, len(raw))
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// signatureHeader is the header of a commit that holds its signature
// (gitformat-signature(5)).
func signatureHeader(id string) string {
	if len(id) == 2*sha256.Size {
		return "gpgsig-sha256"
	}
	return "gpgsig"
}

// header is one line before an object's text, with its continuation lines, which
// begin with a blank.
type header struct {
	name string
	raw  []byte
}

// value is without the name and the blanks that begin continuation lines.
func (h header) value() string {
	value := strings.TrimPrefix(string(h.raw[len(h.name):len(h.raw)-1]), " ")
	return strings.ReplaceAll(value, "\n ", "\n")
}

var errNUL = errors.New("it contains a NUL byte, after which git may stop reading")

// headers splits an object.
func headers(raw []byte) (all []header, text []byte, err error) {
	if bytes.IndexByte(raw, 0) >= 0 {
		return nil, nil, errNUL
	}
	for {
		if len(raw) > 0 && raw[0] == '\n' {
			return all, raw, nil
		}
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			return nil, nil, errors.New("it has no end of its headers")
		}
		line := raw[:end+1]
		switch {
		case line[0] != ' ':
			name, _, _ := bytes.Cut(line[:end], []byte(" "))
			all = append(all, header{string(name), line})
		case len(all) == 0:
			return nil, nil, errors.New("its first line begins with a blank")
		default: // continuation lines follow each other in the object
			last := &all[len(all)-1]
			last.raw = last.raw[:len(last.raw)+len(line)]
		}
		raw = raw[end+1:]
	}
}

// take removes the first header, which must have this name, and returns its
// value.
func take(all *[]header, name string) (string, error) {
	if len(*all) == 0 || (*all)[0].name != name || bytes.Count((*all)[0].raw, []byte("\n")) > 1 {
		return "", fmt.Errorf("its header %s is missing or in the wrong place", name)
	}
	value := (*all)[0].value()
	*all = (*all)[1:]
	return value, nil
}

// parseCommit reads a raw commit. The signature covers everything but its own header.
func parseCommit(raw []byte, signatureHeader string) (c commit, err error) {
	all, text, err := headers(raw)
	if err != nil {
		return commit{}, err
	}
	for _, h := range all {
		switch {
		case !strings.HasPrefix(h.name, "gpgsig"):
			c.payload = append(c.payload, h.raw...)
		case h.name != signatureHeader || c.signature != "":
			return commit{}, errors.New("it has more than one signature, or one of another hash; sign it once")
		default:
			c.signature = h.value() + "\n"
		}
	}
	c.payload = append(c.payload, text...)
	if c.tree, err = take(&all, "tree"); err != nil {
		return commit{}, err
	}
	for len(all) > 0 && all[0].name == "parent" {
		c.parents = append(c.parents, all[0].value())
		all = all[1:]
	}
	author, err := take(&all, "author")
	if err != nil {
		return commit{}, err
	}
	c.authored, _ = dateOf(author) // which nobody relies on
	committer, err := take(&all, "committer")
	if err != nil {
		return commit{}, err
	}
	c.committed, err = dateOf(committer)
	return c, err
}

// dateOf reads the time in "NAME <ADDRESS> SECONDS ZONE".
func dateOf(person string) (time.Time, error) {
	_, date, _ := strings.Cut(person[strings.LastIndexByte(person, '>')+1:], " ")
	seconds, _, _ := strings.Cut(date, " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return time.Time{}, errors.New("its committer has no valid date")
	}
	return time.Unix(n, 0), nil
}

const (
	sshBegin = "-----BEGIN SSH SIGNATURE-----"
	sshEnd   = "-----END SSH SIGNATURE-----"
)

// otherBegins are the first lines of signatures of other kinds than SSH's.
var otherBegins = []string{"-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP MESSAGE-----", "-----BEGIN SIGNED MESSAGE-----"}

// parseTag reads a raw tag. The signature covers everything before it.
func parseTag(raw []byte) (t tag, err error) {
	all, text, err := headers(raw)
	if err != nil {
		return tag{}, err
	}
	for _, h := range all {
		if strings.HasPrefix(h.name, "gpgsig") {
			return tag{}, errors.New("it has a signature of another hash; sign it once")
		}
	}
	if t.object, err = take(&all, "object"); err != nil {
		return tag{}, err
	}
	if t.kind, err = take(&all, "type"); err != nil {
		return tag{}, err
	}
	if t.name, err = take(&all, "tag"); err != nil {
		return tag{}, err
	}
	begin := -1
	at := len(raw) - len(text)
	for line := range bytes.Lines(text) {
		if beginsSignature(line) {
			if begin >= 0 {
				return tag{}, errors.New("it has more than one signature; sign it once")
			}
			begin = at
		}
		at += len(line)
	}
	if begin < 0 {
		t.payload = raw
		return t, nil
	}
	t.payload, t.signature = raw[:begin], string(raw[begin:])
	return t, nil
}

func beginsSignature(line []byte) bool {
	return bytes.HasPrefix(line, []byte(sshBegin)) ||
		slices.ContainsFunc(otherBegins, func(begin string) bool { return bytes.HasPrefix(line, []byte(begin)) })
}
