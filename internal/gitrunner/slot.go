package gitrunner

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/lodastack/agent"
)

// slot is the place of one installed plugin: PLUGINSDIR/NS/PROJECT.
type slot struct {
	dir string

	mu      sync.Mutex
	running int       // guarded by mu
	retired []string  // guarded by mu: old versions that a run may still use
	release *release  // guarded by mu: what is installed, nil: not yet looked
	last    RunResult // guarded by mu: of the last run
}

// slot returns the one of a plugin whose names have been checked.
func (r *Runner) slot(p agent.Plugin) *slot {
	_, project, _ := splitRepo(p.Repo)
	dir := filepath.Join(r.config.PluginsDir, p.Namespace, project)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[dir]
	if s == nil {
		s = &slot{dir: dir}
		r.slots[dir] = s
	}
	return s
}

// begin counts a run: what is installed now is not removed before end.
func (s *slot) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
}

func (s *slot) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	return s.sweep()
}

// sweep removes old versions that nothing uses. The lock is held.
func (s *slot) sweep() error {
	if s.running > 0 {
		return nil
	}
	var errs []error
	for _, dir := range s.retired {
		errs = append(errs, os.RemoveAll(dir))
	}
	s.retired = nil
	return errors.Join(errs...)
}

// publish puts a finished clone in place. What was there before stays where
// the clone was, until its last run has ended.
func (s *slot) publish(clone string, rel release) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := os.Lstat(s.dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := s.place(clone); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := exchange(clone, s.dir); err != nil {
			return err
		}
		s.retired = append(s.retired, clone)
	}
	s.release = &rel
	return s.sweep()
}

// place renames a clone to where nothing is. It tries again once, as another
// plugin of the namespace may just have been removed with the directory.
func (s *slot) place(clone string) error {
	for attempt := 1; ; attempt++ {
		if err := makeDir(filepath.Dir(s.dir), 0o755); err != nil {
			return err
		}
		if err := os.Rename(clone, s.dir); !errors.Is(err, os.ErrNotExist) || attempt == 2 {
			return err
		}
	}
}

// unpublish moves what is installed into the directory aside, which is removed
// with it after the last run. An empty directory of the namespace goes too.
func (s *slot) unpublish(aside string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(s.dir, filepath.Join(aside, "removed")); err != nil {
		return err
	}
	s.release = nil
	s.retired = append(s.retired, aside)
	os.Remove(filepath.Dir(s.dir)) // fails where other plugins are in it
	return s.sweep()
}

// discard removes a directory, at the end of the run that is under way.
func (s *slot) discard(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, dir)
	return s.sweep()
}

// installed returns what is in place, or nil.
func (s *slot) installed() *release {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release == nil {
		s.release = readRelease(s.dir)
	}
	return s.release
}

// keep remembers a run.
func (s *slot) keep(res RunResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res.Stdout = nil
	s.last = res
}

// survivors returns the processes of the last run that are still there.
func (s *slot) survivors() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.last.Gone:
		return nil
	default:
		return s.last.Survivors
	}
}
