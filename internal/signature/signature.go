// Package signature finds out who has signed a version of a git repository, by git's SSH
// signatures and an allowed_signers file (ssh-keygen(1)). It also checks whether a directory
// has exactly the files that were signed.
//
//	raw commit, raw tag ──► object ──► payload, signature ──► sshsig ──► signers ──► principal
//	                          └── tree ◄── equal? ──► the directory's own files
//
//	version    one version: its objects, who has signed it, whether it is older than another
//	object     the content of a commit and of a tag
//	sshsig     the format of signatures (OpenSSH's PROTOCOL.sshsig)
//	signers    allowed_signers: the file; line: one line of it
//	tree       the id that git gives to the files of a directory
//
// The package trusts neither the repository nor the git program that has fetched it.
package signature

import (
	"errors"
	"fmt"
	"time"
)

// Version is a version of a repository: its git objects. A zero field means that there is no
// such object.
type Version struct {
	// ID of the commit, in hexadecimal; of SHA-1 or SHA-256.
	ID string `json:"id"`
	// Commit is the raw object with that ID.
	Commit []byte `json:"commit"`
	// TagName is the tag that was asked for.
	TagName string `json:"tag_name,omitempty"`
	// Tag is the raw object that the tag names, if it is an annotated one.
	Tag []byte `json:"tag,omitempty"`
}

// Signer returns the principal who has signed the commit, or the tag that was asked for. The
// key must be valid at the time at. The error says what is wrong and what to do.
func (v Version) Signer(signers *Signers, at time.Time) (string, error) {
	c, err := v.commit()
	if err != nil {
		return "", err
	}
	principal, err := signers.principal(c.signed, at)
	if err == nil {
		return principal, nil
	}
	err = fmt.Errorf("commit %s %w", v.ID, err)
	if v.Tag == nil {
		return "", fmt.Errorf("%w; %s", err, v.remedy())
	}
	principal, tagErr := v.tagSigner(signers, at)
	if tagErr != nil {
		return "", fmt.Errorf("%w, and its tag %s %w; %s", err, v.TagName, tagErr, v.remedy())
	}
	return principal, nil
}

func (v Version) remedy() string {
	if v.TagName != "" {
		return "let one of the signers sign the tag (git tag -s) or the commit (git commit -S)"
	}
	return "let one of the signers sign the commit (git commit -S), or sign a tag of it (git tag -s) and name that as the version in the registry"
}

// tagSigner returns who has signed the tag. A tag counts only for the version of its own name,
// because an attacker who controls the repository can give an old tag a new name.
func (v Version) tagSigner(signers *Signers, at time.Time) (string, error) {
	t, err := parseTag(v.Tag)
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	case t.name != v.TagName:
		return "", fmt.Errorf("is the tag %q under another name", t.name)
	case t.kind != "commit" || t.object != v.ID:
		return "", errors.New("is not a tag of that commit itself")
	}
	return signers.principal(t.signed, at)
}

// Tree returns the id of the commit's files, for comparison with [TreeOf].
func (v Version) Tree() (string, error) {
	c, err := v.commit()
	return c.tree, err
}

// CheckNewer returns an error if v is older than the installed version: it is its parent, or
// it has an older committer's date and is not its child.
func (v Version) CheckNewer(installed Version) error {
	if v.ID == installed.ID {
		return nil
	}
	old, err := installed.commit()
	if err != nil {
		return fmt.Errorf("the installed version: %w", err)
	}
	next, err := v.commit()
	if err != nil {
		return err
	}
	if next.hasParent(installed.ID) || !old.hasParent(v.ID) && !next.committed.Before(old.committed) {
		return nil
	}
	return fmt.Errorf("commit %s of %s is older than %s of %s, which is in use, so somebody may be replaying it",
		v.ID, next.committed.UTC().Format(time.DateTime), installed.ID, old.committed.UTC().Format(time.DateTime))
}

// Authored returns the date that the author has given the commit, which can be any. Zero: it
// has none.
func (v Version) Authored() time.Time {
	c, _ := v.commit() // a damaged one has no date
	return c.authored
}

// commit parses the commit. It returns an error if that does not have the ID.
func (v Version) commit() (commit, error) {
	if id, err := objectID("commit", v.Commit, len(v.ID)); err != nil || id != v.ID {
		return commit{}, fmt.Errorf("commit %s is damaged: its content has another id; fetch it again", v.ID)
	}
	c, err := parseCommit(v.Commit, signatureHeader(v.ID))
	if err != nil {
		return commit{}, fmt.Errorf("commit %s cannot be read: %w", v.ID, err)
	}
	return c, nil
}
