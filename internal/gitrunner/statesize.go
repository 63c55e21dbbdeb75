package gitrunner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/policy"
)

const (
	// leastStateFile is the least that a file or directory counts, in bytes. It
	// bounds the number of files, and so the time that a look at all of them takes.
	leastStateFile = 16 << 10
	// maxStateDepth bounds how deeply directories may be nested: opening one takes
	// a system call for each directory above it.
	maxStateDepth = 64
	// statePause is the shortest pause between two looks at a state directory while
	// its plugin runs. The pause is as long as the run is old, up to longStatePause: a
	// plugin that writes steadily exceeds its limit at most twofold, and hundreds of
	// daemons that run all the time cost little. It is at least statePauses times as
	// long as the look took.
	statePause     = time.Second
	longStatePause = 10 * time.Second
	statePauses    = 20
	// stateRest is the pause between two looks before a run, as a multiple of the time
	// that the look took: 27 s for 5,000 files, where a look took 27 ms.
	stateRest = 1000
)

// stateError means that a plugin keeps more than its limit, or that its files cannot be
// counted.
type stateError struct{ err error }

func (e *stateError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *stateError) Unwrap() error { return e.err }

// stateLimit returns how many bytes a plugin may keep.
func (r *Runner) stateLimit(rule policy.Rule) int64 {
	return cmp.Or(rule.State, r.config.MaxState)
}

// stateFits returns an error if a plugin that is to be started keeps more than its
// limit. It looks at the directories, of which the first is the plugin's state, unless
// it has just done so: looking at many files takes longer than running a plugin.
func (r *Runner) stateFits(dirs []string, limit int64) error {
	began := time.Now()
	if next, ok := r.looks.Load(dirs[0]); ok && began.Before(next.(time.Time)) {
		return nil
	}
	if err := (&stateLook{dirs: dirs, limit: limit}).check(began); err != nil {
		r.looks.Delete(dirs[0])
		return err
	}
	r.looks.Store(dirs[0], time.Now().Add(stateRest*time.Since(began)))
	return nil
}

// stateLook looks at the directories of one plugin.
type stateLook struct {
	dirs  []string
	limit int64
	// empty holds, for each directory that was empty at the last look, when it had
	// changed: while that stays, it is empty.
	empty map[string]time.Time
}

// emptySettles is how old the last change of an empty directory must be to tell it from
// a later one. The kernel's time stamps advance every few milliseconds.
const emptySettles = time.Second

// check returns an error if the directories hold more than the limit together. It does
// not follow links. The directories may change meanwhile.
func (l *stateLook) check(now time.Time) error {
	var used int64
	for _, dir := range l.dirs {
		changed := changeTime(dir)
		if since, ok := l.empty[dir]; ok && since.Equal(changed) {
			continue
		}
		delete(l.empty, dir)
		empty, err := addState(dir, &used, l.limit)
		if err != nil {
			return &stateError{fmt.Errorf("the plugin's own directory %s: %w", dir, err)}
		}
		if l.empty != nil && empty && !changed.IsZero() && now.Sub(changed) > emptySettles {
			l.empty[dir] = changed
		}
	}
	return nil
}

// addState adds what dir holds to used, and reports whether it is empty.
func addState(dir string, used *int64, limit int64) (empty bool, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
		return true, nil // most are empty, and a walk makes 13 system calls to find that out
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, ignoreMissing(err)
	}
	defer root.Close()
	return false, fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		if *used += max(diskSpace(info), leastStateFile); *used > limit {
			return fmt.Errorf("it holds more than %s; remove what the plugin does not need, or raise the limit", size(limit))
		}
		if entry.IsDir() && strings.Count(path, "/") >= maxStateDepth {
			return fmt.Errorf("its directories are nested deeper than %d levels; remove them", maxStateDepth)
		}
		return nil
	})
}

// ignoreMissing returns nil for a file that was removed after it was listed.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// watchState returns a context that ends, with a [*stateError] as its cause, when the
// directories hold more than limit bytes together. stop ends the looks, and returns when
// none is under way. A run that ends before the first look costs only a timer.
func watchState(ctx context.Context, dirs []string, limit int64) (watched context.Context, stop func()) {
	watched, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	first := time.AfterFunc(statePause, func() {
		defer close(done)
		started := time.Now().Add(-statePause)
		look := &stateLook{dirs: dirs, limit: limit, empty: make(map[string]time.Time)}
		for pause := statePause; watched.Err() == nil; backoff.Pause(watched, backoff.ToSecond(pause)) {
			began := time.Now()
			if err := look.check(began); err != nil {
				end(err)
				return
			}
			pause = max(statePause, min(began.Sub(started), longStatePause), statePauses*time.Since(began))
		}
	})
	return watched, func() {
		end(nil)
		if !first.Stop() {
			<-done
		}
	}
}
