package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/cell"
)

// fetchedRef names what was fetched, outside of branches and tags.
const fetchedRef = "refs/agent/release"

// clone makes dir a checked clone.
func (r *Runner) clone(ctx context.Context, dir, address string, from remote) (release, error) {
	if err := r.gitUser.give(dir); err != nil {
		return release{}, err
	}
	commit, err := r.checkout(ctx, dir, address, from)
	if err != nil {
		return release{}, err
	}
	if err := takeOver(dir, r.bounds()); err != nil {
		return release{}, fmt.Errorf("the repository cannot be used: %w", err)
	}
	if err := r.checkStartable(dir); err != nil {
		return release{}, fmt.Errorf("the repository cannot be used: %w", err)
	}
	rel := release{Origin: address, Branch: from.branch, Commit: commit}
	return rel, errors.Join(rel.write(dir), settle(dir))
}

// checkout fetches a repository into dir and, if its tree is within bounds,
// checks it out. It returns the commit.
func (r *Runner) checkout(ctx context.Context, dir, address string, from remote) (string, error) {
	if _, err := r.git(ctx, dir, "init", "--quiet", "--template="); err != nil {
		return "", err
	}
	if err := r.fetchInto(ctx, dir, address, from.ref()); err != nil {
		return "", err
	}
	commit, err := r.git(ctx, dir, "rev-parse", "--verify", fetchedRef+"^{commit}")
	if err != nil {
		return "", err
	}
	if err := r.checkTree(ctx, dir); err != nil {
		return "", err
	}
	if _, err := r.git(ctx, dir, "checkout", "--quiet", "--detach", fetchedRef); err != nil {
		return "", err
	}
	return strings.TrimSpace(commit), nil
}

// fetchInto fetches one commit. Servers of plain files only, which know no
// shallow clones, send the whole history.
func (r *Runner) fetchInto(ctx context.Context, dir, address, ref string) error {
	args := []string{"fetch", "--quiet", "--no-tags", "--no-recurse-submodules"}
	what := []string{"--", address, "+" + ref + ":" + fetchedRef}
	_, err := r.git(ctx, dir, append(append(args, "--depth=1"), what...)...)
	if says(err, "does not support shallow") {
		_, err = r.git(ctx, dir, append(args, what...)...)
	}
	if errors.Is(err, errGitTimeout) || says(err, "early EOF") || says(err, "unexpected disconnect") {
		return fmt.Errorf("%w; git cannot resume a transfer, so the next attempt begins anew", err)
	}
	return err
}

// bounds are what a plugin may take on disk.
type bounds struct {
	size  int64 // bytes of its files, in blocks of 4 KiB
	files int   // with directories
}

func (r *Runner) bounds() bounds { return bounds{size: r.config.MaxSize, files: r.config.MaxFiles} }

// usage is how much of its bounds a plugin has used.
type usage struct {
	size  int64
	files int
}

// add counts a file of so many bytes in, and says when a bound is exceeded.
func (b bounds) add(u *usage, bytes int64) error {
	const block = 4 << 10
	u.files++
	u.size += (bytes + block - 1) / block * block
	if u.files > b.files {
		return b.tooMany()
	}
	if u.size > b.size {
		return fmt.Errorf("its files take more than %s (agent.gitmaxsize)", size(b.size))
	}
	return nil
}

func (b bounds) tooMany() error {
	return fmt.Errorf("it has more than %d files (agent.gitmaxfiles)", b.files)
}

// checkTree looks at what was fetched before it is checked out: a small
// repository can name millions of files.
func (r *Runner) checkTree(ctx context.Context, dir string) error {
	const longLine = 256 // more than nearly all paths need
	b := r.bounds()
	out, err := r.gitUpTo(b.files*longLine, ctx, dir, "ls-tree", "-r", "-t", "-z", "--long", fetchedRef)
	if errors.Is(err, cell.ErrStdout) {
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

// sizeOf reads the size in an entry "MODE TYPE OBJECT SIZE\tPATH", where that
// of a directory is "-".
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

// protect lets the plugin's user read and execute what is in dir, and keeps
// everybody else who is not root out.
func (o owner) protect(dir string) error {
	if o.user != nil {
		if err := os.Chown(dir, -1, int(o.user.GID)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o750)
}
