package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/policy"
)

// Install installs the plugin from the address that the config makes of its
// repository. It does nothing if that is installed already, and replaces a
// plugin from another address. If it fails, what was there before stays.
func (r *Runner) Install(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, true)
}

// Update installs the plugin's newest release, unless that is installed
// already. A run in progress continues in the old version.
func (r *Runner) Update(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, false)
}

// allow returns an error where the policy refuses the plugin. It is asked before
// anything is fetched, and before each run.
func (r *Runner) allow(p agent.Plugin) error { return allow(r.config.Policy, p) }

func allow(rules policy.Policy, p agent.Plugin) error {
	err := rules.Judge(p.Repo, p.Version)
	var refusal *policy.Refusal
	if errors.As(err, &refusal) {
		return &agent.PolicyError{Rule: refusal.Key, Err: err}
	}
	return err
}

// Judge returns the error with which a [Runner] of this config refuses to fetch
// the plugin before it has asked any server. It does no I/O.
func (c Config) Judge(p agent.Plugin) error {
	if err := checkPlugin(p); err != nil {
		return err
	}
	if err := allow(c.Policy, p); err != nil {
		return err
	}
	var from template
	if c.Git != "" {
		var err error
		if from, err = parseTemplate(c.Git); err != nil {
			return fmt.Errorf("agent.git: %w", err)
		}
	}
	_, err := from.address(p.Repo)
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
	if current != nil && (withoutLogin(current.Origin) != address || checkExecutable(s.dir) != nil) {
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
		return fmt.Errorf("plugin %s of namespace %s, repository %s: %w", p.Repo, p.Namespace, address, err)
	}
	return nil
}

// replace clones the repository at address into the slot, unless the slot has
// its newest release.
func (r *Runner) replace(ctx context.Context, s *slot, address string, current *release) error {
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
		err = s.publish(clone, rel)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(clone))
	}
	return nil
}

// Remove deletes an installed plugin. If it is running, its files are deleted
// after the run. It does nothing if no runner like this has installed the
// plugin.
func (r *Runner) Remove(_ context.Context, p agent.Plugin) error {
	if err := checkPlugin(p); err != nil {
		return err
	}
	if r.session == nil {
		return nil
	}
	s := r.slot(p)
	if s.installed() == nil {
		return nil
	}
	aside, err := r.session.tempDir()
	if err != nil {
		return err
	}
	if err := s.unpublish(aside); err != nil {
		return errors.Join(fmt.Errorf("removing plugin %s of namespace %s: %w", p.Repo, p.Namespace, err), os.Remove(aside))
	}
	return nil
}
