package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// remote is what git ls-remote reports about a repository.
type remote struct {
	branch string // to install; empty: HEAD
	commit string
}

// ref is the ref to fetch.
func (r remote) ref() string {
	if r.branch == "" {
		return "HEAD"
	}
	return "refs/heads/" + r.branch
}

// errNoCommit means that a repository has neither the release branch nor a
// default branch with a commit.
var errNoCommit = errors.New("the repository is empty: it has neither the release branch nor a default branch with a commit")

// lookup asks a repository for its release branch, or else for its default
// branch.
func (r *Runner) lookup(ctx context.Context, address string) (remote, error) {
	release := "refs/heads/" + r.config.Branch
	out, err := r.git(ctx, r.session.dir, "ls-remote", "--symref", "--", address, "HEAD", release)
	if err != nil {
		return remote{}, err
	}
	found, err := parseRemote(out, release)
	if errors.Is(err, errNoCommit) {
		return remote{}, r.whyNoCommit(ctx, address)
	}
	return found, err
}

// parseRemote reads lines "COMMIT\tREF" and "ref: REF\tHEAD".
func parseRemote(out, release string) (remote, error) {
	var head remote
	for line := range strings.Lines(out) {
		value, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		target, symbolic := strings.CutPrefix(value, "ref: refs/heads/")
		switch {
		case symbolic && ref == "HEAD":
			head.branch = target
		case ref == release:
			return remote{strings.TrimPrefix(release, "refs/heads/"), value}, nil
		case ref == "HEAD":
			head.commit = value
		}
	}
	if head.commit == "" {
		return remote{}, errNoCommit
	}
	return head, nil
}

// whyNoCommit distinguishes an empty repository from one whose HEAD names a
// branch that does not exist. git lists both in the same way.
func (r *Runner) whyNoCommit(ctx context.Context, address string) error {
	out, err := r.git(ctx, r.session.dir, "ls-remote", "--heads", "--", address)
	if err != nil {
		return err
	}
	var branches []string
	for line := range strings.Lines(out) {
		if _, branch, ok := strings.Cut(strings.TrimSpace(line), "\trefs/heads/"); ok && len(branches) < 5 {
			branches = append(branches, branch)
		}
	}
	if len(branches) == 0 {
		return errNoCommit
	}
	return fmt.Errorf("the repository has no branch %s, and its HEAD names a branch that does not exist (it has %.200s): push the branch %[1]s, or set the repository's default branch",
		r.config.Branch, strings.Join(branches, ", "))
}
