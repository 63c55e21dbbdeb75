package gitrunner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/internal/sandbox"
)

// fetchedRef is the ref of the fetched commit, outside of branches and tags.
const fetchedRef = "refs/agent/release"

// source copies a version's objects into an empty repository.
type source func(ctx context.Context, dir string) (version, error)

// clone makes dir a clone of a version for a change. It checks the clone's size, and that
// an allowed signer has signed it.
func (r *Runner) clone(ctx context.Context, dir string, c change, from source) (version, *signed, error) {
	if err := r.gitUser.give(dir); err != nil {
		return version{}, nil, err
	}
	if _, err := r.git(ctx, dir, "init", "--quiet", "--template="); err != nil {
		return version{}, nil, err
	}
	v, err := from(ctx, dir)
	if err != nil {
		return version{}, nil, err
	}
	// Here the objects of the version are in dir, and nothing is checked out. v has
	// the commit and, if the version was asked for by an annotated tag, the tag.
	if err := r.checkTree(ctx, dir, v.Commit); err != nil {
		return version{}, nil, err
	}
	signed, err := r.verify(ctx, dir, v, c)
	if err != nil {
		return version{}, nil, err
	}
	if _, err := r.git(ctx, dir, "checkout", "--quiet", "--detach", v.Commit); err != nil {
		return version{}, nil, err
	}
	return v, signed, nil
}

// finish gives a checked out clone to the agent's user and records its version.
func (r *Runner) finish(dir string, o owner, rel release) error {
	if err := takeOver(dir, r.bounds()); err != nil {
		return fmt.Errorf("the repository cannot be used: %w", err)
	}
	if rel.Signed != nil {
		if err := r.checkFiles(dir, rel.Signed); err != nil {
			return unsigned(fmt.Errorf("%w; %w", err, errFiltered))
		}
	}
	if err := r.checkStartable(dir); err != nil {
		return fmt.Errorf("the repository cannot be used: %w", err)
	}
	if _, err := manifest.Read(dir); err != nil {
		return fmt.Errorf("the repository cannot be used: %w", err)
	}
	return errors.Join(rel.write(dir), o.protect(dir), settle(dir))
}

// fetched returns the source that fetches from a repository.
func (r *Runner) fetched(address string, from remote) source {
	return func(ctx context.Context, dir string) (version, error) {
		if err := r.obtain(ctx, dir, address, from); err != nil {
			return version{}, err
		}
		return r.read(ctx, dir, from.Version)
	}
}

// obtain fetches the version and names it fetchedRef.
func (r *Runner) obtain(ctx context.Context, dir, address string, from remote) error {
	if from.ref == "" {
		return r.search(ctx, dir, address, from.Commit)
	}
	return r.fetchRefs(ctx, dir, address, "1", "+"+from.ref+":"+fetchedRef)
}

// read returns the version that fetchedRef names.
func (r *Runner) read(ctx context.Context, dir, asked string) (version, error) {
	object, err := r.git(ctx, dir, "rev-parse", "--verify", "--quiet", fetchedRef)
	if err != nil {
		return version{}, err
	}
	commit, err := r.git(ctx, dir, "rev-parse", "--verify", "--quiet", fetchedRef+"^{commit}")
	object, commit = strings.TrimSpace(object), strings.TrimSpace(commit)
	switch {
	case ctx.Err() != nil:
		return version{}, context.Cause(ctx)
	case err != nil && asked != object:
		return version{}, fmt.Errorf("%s names a file or a directory, not a commit: move the tag to a commit", cmp.Or(asked, "its release"))
	case err != nil, object == asked && commit != asked:
		return version{}, fmt.Errorf("%s is the id of a tag, a file or a directory, not of a commit: name the commit as the version", asked)
	case repopath.IsCommit(asked) && commit != asked:
		return version{}, fmt.Errorf("the branch or tag that ended in the commit %s has just moved: try again", asked)
	}
	v := version{Commit: commit, Version: asked}
	if object != commit && !repopath.IsCommit(asked) {
		v.Tag = object
	}
	return v, nil
}

// fetchRefs fetches refs, each with depth commits of its history. Servers that only
// serve plain files do not support shallow clones, and send the whole history.
func (c *client) fetchRefs(ctx context.Context, dir, address, depth string, refs ...string) error {
	args := []string{"fetch", "--quiet", "--no-tags", "--no-recurse-submodules"}
	what := append([]string{"--", address}, refs...)
	_, err := c.git(ctx, dir, slices.Concat(args, []string{"--depth=" + depth}, what)...)
	if says(err, "does not support shallow") {
		_, err = c.git(ctx, dir, slices.Concat(args, what)...)
	}
	if errors.Is(err, errGitTimeout) || says(err, "early EOF") || says(err, "unexpected disconnect") {
		return fmt.Errorf("%w; git cannot resume a transfer, so the next attempt starts from the beginning", err)
	}
	return err
}

// bounds are the limits of a plugin on disk.
type bounds struct {
	size  int64 // bytes of its files, rounded up to blocks of 4 KiB
	files int   // directories included

	sizeKey, filesKey string // what messages call them
}

func (c *client) bounds() bounds { return bounds{c.maxSize, c.maxFiles, c.sizeKey, c.filesKey} }

// usage is how much of its bounds a plugin uses.
type usage struct {
	size  int64
	files int
}

// add counts a file of the given size. It returns an error if a bound is
// exceeded.
func (b bounds) add(u *usage, bytes int64) error {
	const block = 4 << 10
	u.files++
	u.size += (bytes + block - 1) / block * block
	if u.files > b.files {
		return b.tooMany()
	}
	if u.size > b.size {
		return fmt.Errorf("its files take more than %s (%s)", size(b.size), b.sizeKey)
	}
	return nil
}

func (b bounds) tooMany() error {
	return fmt.Errorf("it has more than %d files (%s)", b.files, b.filesKey)
}

// checkTree counts the files of a commit before it is checked out: a small repository
// can name millions of files.
func (c *client) checkTree(ctx context.Context, dir, commit string) error {
	const longLine = 256 // nearly all paths need less
	b := c.bounds()
	out, err := c.gitUpTo(b.files*longLine, ctx, dir, "ls-tree", "-r", "-t", "-z", "--long", commit)
	if errors.Is(err, sandbox.ErrStdout) {
		return fmt.Errorf("the repository is refused: %w", b.tooMany())
	}
	if err != nil {
		return err
	}
	var used usage
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if err := b.add(&used, sizeOf(entry)); err != nil {
			return fmt.Errorf("the repository is refused: %w", err)
		}
	}
	return nil
}

// sizeOf reads the size in an entry "MODE TYPE OBJECT SIZE\tPATH". Directories
// have "-" in its place.
func sizeOf(entry string) int64 {
	about, _, _ := strings.Cut(entry, "\t")
	fields := strings.Fields(about)
	if len(fields) != 4 {
		return 0
	}
	bytes, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return 0
	}
	return bytes
}

// protect makes dir accessible only to root and the owner.
func (o owner) protect(dir string) error {
	if o.user != nil {
		if err := os.Chown(dir, -1, int(o.user.GID)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o750)
}
