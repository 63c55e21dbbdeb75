package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// soughtRefs are the branches and tags in which a commit is looked for.
const soughtRefs = "refs/agent/sought"

// search fetches branches and tags until the commit is among what they lead to,
// and names it fetchedRef. It does not ask for the commit itself: not all servers
// allow that, and those that keep the forks of a repository with it would send
// the commits of a fork, which only somebody else has accepted.
func (r *Runner) search(ctx context.Context, dir, address, commit string) error {
	var all int64
	for _, depth := range []string{"100", "2147483647"} { // the largest is git's "infinite"
		err := r.fetchRefs(ctx, dir, address, depth,
			"+"+headsPrefix+"*:"+soughtRefs+"/heads/*", "+"+tagsPrefix+"*:"+soughtRefs+"/tags/*")
		if err == nil {
			all, err = packed(dir)
		}
		if err == nil && all > r.config.MaxSize {
			err = &tooLargeError{"its history", r.config.MaxSize}
		}
		if err != nil {
			return fmt.Errorf("looking for the commit %s in the history of all branches and tags: %w; a commit that has a tag is found at once", commit, err)
		}
		if _, err := r.git(ctx, dir, "update-ref", fetchedRef, commit); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%w %s: push a branch or a tag that contains it, or correct the version in the registry", errNoSuchCommit, commit)
}

// failedSearch is a search that would fail again in the same way: that there is no
// such commit, or the history is too large, does not change before the branches
// and tags do.
type failedSearch struct {
	remote remote
	err    error
}

// searchedBefore returns the error of the last search, if this one would be the
// same.
func (s *slot) searchedBefore(wanted remote) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wanted.ref != "" || s.search.remote != wanted {
		return nil
	}
	return s.search.err
}

// noteSearch remembers how the search for a commit went.
func (s *slot) noteSearch(wanted remote, err error) {
	if !errors.Is(err, errNoSuchCommit) && !errors.As(err, new(*tooLargeError)) {
		err = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.search = failedSearch{wanted, err}
}

// packed returns how many bytes of objects a repository has.
func packed(dir string) (int64, error) {
	var bytes int64
	err := filepath.WalkDir(filepath.Join(dir, ".git", "objects"), func(_ string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// errNoSuchCommit says that none of a repository's branches and tags leads to a
// commit.
var errNoSuchCommit = errors.New("none of the repository's branches and tags contains the commit")
