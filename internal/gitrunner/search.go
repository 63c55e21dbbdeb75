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

// search fetches branches and tags until the commit is in their history, and names it
// fetchedRef. It does not ask for the commit itself. Not all servers allow that, and
// servers that store forks together with the repository would also send a commit of a
// fork, which the repository's owner has not accepted.
func (r *Runner) search(ctx context.Context, dir, address, commit string) error {
	var all int64
	for _, depth := range []string{"100", "2147483647"} { // the largest is git's "infinite"
		err := r.fetchRefs(ctx, dir, address, depth,
			"+"+headsPrefix+"*:"+soughtRefs+"/heads/*", "+"+tagsPrefix+"*:"+soughtRefs+"/tags/*")
		if err == nil {
			all, err = packed(dir)
		}
		if err == nil && all > r.maxSize {
			err = r.tooLarge("its history")
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

// failedSearch is a search that would fail again in the same way. Whether the commit
// exists and how large the history is changes only when the branches and tags do.
type failedSearch struct {
	remote remote
	err    error
}

// searchedBefore returns the error of the last search, if this one would be the
// same.
func (s *slot) searchedBefore(asked remote) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.ref != "" || s.search.remote != asked {
		return nil
	}
	return s.search.err
}

// noteSearch stores the result of the search for a commit.
func (s *slot) noteSearch(asked remote, err error) {
	if !errors.Is(err, errNoSuchCommit) && !errors.As(err, new(*tooLargeError)) {
		err = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.search = failedSearch{asked, err}
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

// errNoSuchCommit means that no branch or tag of a repository contains a commit.
var errNoSuchCommit = errors.New("none of the repository's branches and tags contains the commit")
