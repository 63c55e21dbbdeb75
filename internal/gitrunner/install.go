package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/policy"
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

// allow returns an error where the policy refuses the plugin. It is asked before
// anything is fetched, and before each run.
func (r *Runner) allow(p agent.Plugin) error {
	err := r.config.Policy.Judge(p.Repo, p.Version)
	var refusal *policy.Refusal
	if errors.As(err, &refusal) {
		return &agent.PolicyError{Rule: refusal.Key, Err: err}
	}
	return err
}

func (r *Runner) fetch(ctx context.Context, p agent.Plugin, presentIsEnough bool) error {
	if err := checkPlugin(p); err != nil {
		return err
	}
	if err := r.allow(p); err != nil {
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
	moved := current != nil && withoutLogin(current.Origin) != address
	if current != nil && (withoutLogin(current.Origin) != address || checkExecutable(s.dir) != nil) {
		current = nil
	}
	if presentIsEnough && current != nil {
		return r.owner(p).protect(s.dir) // which the config may have changed
	}
	select {
	case r.installs <- struct{}{}:
		defer func() { <-r.installs }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err = r.replace(ctx, s, p, address, current)
	if err == nil && moved { // what another plugin has kept is not for this one
		err = r.removeState(p)
	}
	if err != nil {
		return fmt.Errorf("plugin %s of namespace %s, repository %s: %w", p.Repo, p.Namespace, address, err)
	}
	return nil
}

// replace clones what is at address into the slot, unless it is current.
func (r *Runner) replace(ctx context.Context, s *slot, p agent.Plugin, address string, current *release) error {
	ctx, cancel := r.withGitTimeout(ctx)
	defer cancel()
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
	rel, err := r.clone(ctx, clone, address, newest)
	if err == nil {
		err = r.owner(p).protect(clone)
	}
	if err == nil {
		err = s.publish(clone, rel)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(clone))
	}
	return nil
}

// Remove deletes an installed plugin, once a run of it that is under way has
// ended. It does nothing where the plugin is not installed, or not by a runner
// like this.
func (r *Runner) Remove(_ context.Context, p agent.Plugin) error {
	if err := checkPlugin(p); err != nil {
		return err
	}
	if r.session == nil {
		return nil
	}
	s := r.slot(p)
	if s.installed() == nil {
		return r.removeState(p)
	}
	aside, err := r.session.tempDir()
	if err != nil {
		return err
	}
	if err := s.unpublish(aside); err != nil {
		return errors.Join(fmt.Errorf("removing plugin %s of namespace %s: %w", p.Repo, p.Namespace, err), os.Remove(aside))
	}
	return r.removeState(p)
}
