package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"

	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/internal/sandbox"
)

// remote is a version as a repository lists it.
type remote struct {
	version // as far as git ls-remote lists it
	// ref is the branch or tag of the version. Empty: no branch or tag ends in the
	// commit.
	ref string
	// refs is a checksum of all branches and tags, if ref is empty.
	refs uint64
}

// branch returns the branch that the version comes from, or the empty string.
func (r remote) branch() string {
	name, _ := strings.CutPrefix(r.ref, "refs/heads/")
	if name == r.ref {
		return ""
	}
	return name
}

const (
	headsPrefix = "refs/heads/"
	tagsPrefix  = "refs/tags/"
	// peeled follows the name of an annotated tag in the line of the commit that the
	// tag leads to.
	peeled = "^{}"
)

// lookup asks a repository for a version, by default for its newest release.
func (r *Runner) lookup(ctx context.Context, address, asked string) (remote, error) {
	switch {
	case asked == "":
		return r.lookupRelease(ctx, address)
	case repopath.IsCommit(asked):
		return r.lookupCommit(ctx, address, asked)
	}
	return r.lookupTag(ctx, address, asked)
}

// errNoCommit means that a repository has neither the release branch nor a
// default branch with a commit.
var errNoCommit = errors.New("the repository is empty: it has neither the release branch nor a default branch with a commit")

// lookupRelease asks a repository for its release branch, or else its default
// one.
func (r *Runner) lookupRelease(ctx context.Context, address string) (remote, error) {
	release := headsPrefix + r.config.Branch
	out, err := r.git(ctx, r.gitDir, "ls-remote", "--symref", "--", address, "HEAD", release)
	if err != nil {
		return remote{}, err
	}
	found, err := parseRelease(out, release)
	if errors.Is(err, errNoCommit) {
		return remote{}, r.whyNoCommit(ctx, address)
	}
	return found, err
}

// parseRelease reads lines "COMMIT\tREF" and "ref: REF\tHEAD".
func parseRelease(out, release string) (remote, error) {
	head := remote{ref: "HEAD"}
	for line := range strings.Lines(out) {
		value, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		target, symbolic := strings.CutPrefix(value, "ref: ")
		switch {
		case symbolic && ref == "HEAD" && strings.HasPrefix(target, headsPrefix):
			head.ref = target
		case ref == release:
			return remote{version: version{Commit: value}, ref: release}, nil
		case ref == "HEAD" && !symbolic:
			head.Commit = value
		}
	}
	if head.Commit == "" {
		return remote{}, errNoCommit
	}
	return head, nil
}

// whyNoCommit distinguishes an empty repository from one whose HEAD names a
// branch that does not exist. git lists both in the same way.
func (r *Runner) whyNoCommit(ctx context.Context, address string) error {
	out, err := r.git(ctx, r.gitDir, "ls-remote", "--heads", "--", address)
	if err != nil {
		return err
	}
	var branches []string
	for line := range strings.Lines(out) {
		if _, branch, ok := strings.Cut(strings.TrimSpace(line), "\t"+headsPrefix); ok && len(branches) < 5 {
			branches = append(branches, branch)
		}
	}
	if len(branches) == 0 {
		return errNoCommit
	}
	return fmt.Errorf("the repository has no branch %s, and its HEAD names a branch that does not exist (it has %.200s): push the branch %[1]s, or set the repository's default branch",
		r.config.Branch, strings.Join(branches, ", "))
}

// lookupTag asks a repository for a tag. It does not accept a branch of that name.
func (r *Runner) lookupTag(ctx context.Context, address, tag string) (remote, error) {
	name, branch := tagsPrefix+tag, headsPrefix+tag
	out, err := r.git(ctx, r.gitDir, "ls-remote", "--", address, name, name+peeled, branch)
	if err != nil {
		return remote{}, err
	}
	refs := parseRefs(out)
	found := remote{version: version{Commit: refs[name], Version: tag}, ref: name}
	if commit := refs[name+peeled]; commit != "" {
		found.Tag, found.Commit = found.Commit, commit
	}
	switch {
	case found.Commit != "":
		return found, nil
	case refs[branch] != "":
		return remote{}, fmt.Errorf("the repository has no tag %s, only a branch of that name, and branches move: push a tag, or name a full commit as the version", tag)
	}
	return remote{}, fmt.Errorf("the repository has no tag %s: push it, or correct the version in the registry", tag)
}

// lookupCommit looks for a branch or tag that ends in the commit.
func (r *Runner) lookupCommit(ctx context.Context, address, commit string) (remote, error) {
	const maxList = 4 << 20 // some 60,000 names; of a longer list, none is used
	found := remote{version: version{Commit: commit, Version: commit}}
	out, err := r.gitUpTo(maxList, ctx, r.gitDir, "ls-remote", "--heads", "--tags", "--", address)
	if errors.Is(err, sandbox.ErrStdout) {
		return found, nil
	}
	if err != nil {
		return remote{}, err
	}
	for ref, id := range parseRefs(out) {
		if id == commit {
			found.ref = strings.TrimSuffix(ref, peeled)
			return found, nil
		}
	}
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, out)
	found.refs = sum.Sum64()
	return found, nil
}

// parseRefs reads lines "ID\tREF".
func parseRefs(out string) map[string]string {
	refs := make(map[string]string)
	for line := range strings.Lines(out) {
		if id, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			refs[ref] = id
		}
	}
	return refs
}
