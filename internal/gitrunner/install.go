package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodastack/agent"
)

// Install sees to it that the plugin is in place, from the address that the
// config makes of its repository. What came from another address is replaced.
// A failed Install leaves what was there before.
func (r *Runner) Install(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, true)
}

// Update replaces the plugin with its newest release, unless it has that
// already. A run that is under way goes on undisturbed in the old version.
func (r *Runner) Update(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, false)
}

func (r *Runner) fetch(ctx context.Context, p agent.Plugin, presentIsEnough bool) error {
	if err := checkPlugin(p); err != nil {
		return err
	}
	if r.session == nil {
		return errors.New("plugins cannot be installed: set agent.pluginsdir to a directory for them")
	}
	address, err := r.template.address(p.Repo)
	if err != nil {
		return err
	}
	s := r.slot(p)
	current := s.installed()
	if current != nil && (current.Origin != address || checkExecutable(s.dir) != nil) {
		current = nil
	}
	if presentIsEnough && current != nil {
		return nil
	}
	select {
	case r.installs <- struct{}{}:
		defer func() { <-r.installs }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := r.replace(ctx, s, address, current); err != nil {
		return fmt.Errorf("plugin %s of namespace %s, repository %s: %w", p.Repo, p.Namespace, withoutPassword(address), err)
	}
	return nil
}

// replace clones what is at address into the slot, unless it is current.
func (r *Runner) replace(ctx context.Context, s *slot, address string, current *release) error {
	newest, err := r.lookup(ctx, address)
	if err != nil {
		return err
	}
	if current != nil && current.Commit == newest.commit {
		return nil
	}
	clone, err := r.session.tempDir()
	if err != nil {
		return err
	}
	rel, err := r.clone(ctx, clone, address, newest.branch)
	if err == nil {
		err = s.publish(clone, rel)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(clone))
	}
	return nil
}

// clone makes dir a checked clone that the plugins' user can run.
func (r *Runner) clone(ctx context.Context, dir, address, branch string) (release, error) {
	args := []string{"clone", "--quiet", "--template=", "--no-recurse-submodules", "--no-tags", "--single-branch"}
	if branch != "" {
		args = append(args, "--branch="+branch)
	}
	_, err := r.git(ctx, r.session.dir, append(args, "--depth=1", "--", address, dir)...)
	if failed := (*gitError)(nil); errors.As(err, &failed) && strings.Contains(failed.stderr, "does not support shallow") {
		_, err = r.git(ctx, r.session.dir, append(args, "--", address, dir)...)
	}
	if err != nil {
		return release{}, err
	}
	commit, err := r.git(ctx, dir, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return release{}, err
	}
	if err := checkExecutable(dir); err != nil {
		return release{}, fmt.Errorf("the repository cannot be used: %w", err)
	}
	rel := release{Origin: address, Branch: branch, Commit: strings.TrimSpace(commit)}
	return rel, errors.Join(rel.write(dir), r.protect(dir), settle(dir))
}

// protect lets the plugins' user read and execute what is in dir, nobody else
// who is not root, and keeps .git, whose config may hold a password, from it.
func (r *Runner) protect(dir string) error {
	if err := os.Chmod(filepath.Join(dir, ".git"), 0o700); err != nil {
		return err
	}
	if u := r.owner.user; u != nil {
		if err := os.Chown(dir, -1, int(u.GID)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o750)
}
