package gitrunner

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/plugins"
)

// slot is the directory of one installed plugin: PLUGINSDIR/NS/PROJECT.
type slot struct {
	dir string

	mu       sync.Mutex
	running  int          // guarded by mu
	retired  []string     // guarded by mu: old versions that a run may still use
	release  *release     // guarded by mu: the installed version; nil: not read yet
	verified *release     // guarded by mu: the release whose signature was verified
	by       *rules       // guarded by mu: the rules that were verified by
	last     RunResult    // guarded by mu: of the last run
	search   failedSearch // guarded by mu: the last one
}

// slot returns the slot of a plugin whose names have been checked.
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

// begin counts a run. The version that is installed now is not removed before end is
// called.
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

// sweep removes old versions that no run uses. The lock is held.
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

// publish moves a finished clone into place. The version before it takes the
// clone's directory until its last run has ended.
func (s *slot) publish(clone string, rel release, by *rules) error {
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
	s.verified, s.by = s.release, by // only a version whose signature was verified is published
	return s.sweep()
}

// place renames a clone to a directory that does not exist. It retries once,
// because the namespace's directory may just have been removed with another
// plugin.
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

// unpublish moves the installed version into the directory aside. Both are removed after
// the last run. The namespace's directory is removed too, if it is empty.
func (s *slot) unpublish(aside string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(s.dir, filepath.Join(aside, "removed")); err != nil {
		return err
	}
	s.release, s.verified = nil, nil
	s.retired = append(s.retired, aside)
	os.Remove(filepath.Dir(s.dir)) // fails if it contains other plugins
	return s.sweep()
}

// discard removes a directory when the run under way has ended.
func (s *slot) discard(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, dir)
	return s.sweep()
}

// installed returns the installed version, or nil.
func (s *slot) installed() *release {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release == nil {
		s.release = readRelease(s.dir)
	}
	return s.release
}

// installedFrom returns the installed version if it came from the address, or nil.
func (s *slot) installedFrom(address string) *release {
	rel := s.installed()
	if rel == nil || withoutLogin(rel.Origin) != address {
		return nil
	}
	return rel
}

// confirm records that the installed version is the assigned one.
func (s *slot) confirm(rel release, c change) error {
	if rel.Assigned == c.plugin.Version && rel.By != plugins.ByRollback {
		return nil
	}
	rel.Assigned, rel.By = c.plugin.Version, c.by
	if err := rel.write(s.dir); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verified == s.release {
		s.verified = &rel
	}
	s.release = &rel
	return nil
}

// isVerified reports whether the release's signature was verified by the rules.
func (s *slot) isVerified(rel *release, by *rules) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verified == rel && s.by == by
}

func (s *slot) setVerified(rel *release, by *rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified, s.by = rel, by
}

// keep stores the result of a run.
func (s *slot) keep(res RunResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res.Stdout = nil
	s.last = res
}

// survivors returns the processes of the last run that still exist.
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
