package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/policy"
)

// Install installs the version of the plugin that is assigned, from the address
// that the config makes of its repository. It does nothing if the plugin is
// installed already and the same version was assigned then, and replaces a plugin
// from another address. If it fails, what was there before stays.
func (r *Runner) Install(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, byRegistry)
}

// Update installs the version that is assigned or, if there is none, the plugin's
// newest release, unless that is installed already. A run in progress continues in
// the old version.
func (r *Runner) Update(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, byUpdate)
}

// allow returns an error where the policy refuses the plugin. It is asked before
// anything is fetched and, with the version that is installed, before each run:
// an assigned version that is refused does not stop the one that is there.
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
	var from template
	if c.Git != "" {
		var err error
		if from, err = parseTemplate(c.Git); err != nil {
			return fmt.Errorf("agent.git: %w", err)
		}
	}
	_, err := judge(c.Policy, from, p)
	return err
}

// judge returns the address of a plugin that may be fetched.
func judge(rules policy.Policy, from template, p agent.Plugin) (address string, err error) {
	if err := checkPlugin(p); err != nil {
		return "", err
	}
	if err := allow(rules, p); err != nil {
		return "", err
	}
	return from.address(p.Repo)
}

func (r *Runner) fetch(ctx context.Context, p agent.Plugin, by string) error {
	s, address, err := r.prepare(p)
	if err != nil {
		return err
	}
	last := s.installedFrom(address)
	current := last
	if current != nil && (checkExecutable(s.dir) != nil || r.checkInstalled(s, r.owner(p)) != nil) {
		current = nil
	}
	if by == byRegistry && current != nil && current.Assigned == p.Version {
		return r.owner(p).protect(s.dir) // which the config may have changed
	}
	if !r.takeInstall(ctx) {
		return context.Cause(ctx)
	}
	defer r.giveInstall()
	err = r.replace(ctx, s, change{p, address, by, current, last})
	if err != nil {
		return fmt.Errorf("plugin %s of namespace %s, repository %s: %w", p.Repo, p.Namespace, address, err)
	}
	return nil
}

// prepare returns the place of a plugin that may be installed, and the address
// of its repository.
func (r *Runner) prepare(p agent.Plugin) (*slot, string, error) {
	address, err := judge(r.config.Policy, r.template, p)
	if err != nil {
		return nil, "", err
	}
	if r.session == nil {
		return nil, "", errors.New("plugins cannot be installed: set agent.pluginsdir to a directory for them")
	}
	return r.slot(p), address, nil
}

// takeInstall waits until not too many plugins are fetched at a time. It returns
// false if ctx ends first.
func (r *Runner) takeInstall(ctx context.Context) bool {
	select {
	case r.installs <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Runner) giveInstall() { <-r.installs }

// change is what is to happen to what is installed of a plugin.
type change struct {
	plugin  agent.Plugin
	address string
	by      string
	current *release // nil: nothing is installed that can be used
	last    *release // what is installed, whether or not it can be used; nil: nothing of this address
}

// replace installs the version that is assigned, unless it is there.
func (r *Runner) replace(ctx context.Context, s *slot, c change) error {
	ctx, cancel := r.withGitTimeout(ctx)
	defer cancel()
	wanted, err := r.lookup(ctx, c.address, c.plugin.Version)
	if err != nil {
		return err
	}
	if c.current != nil && c.current.version == wanted.version {
		return s.confirm(*c.current, c)
	}
	if err := s.searchedBefore(wanted); err != nil {
		return err
	}
	err = r.install(ctx, s, c, r.fetched(c.address, wanted), wanted.branch())
	s.noteSearch(wanted, err)
	return err
}

// install puts a version into the plugin's place, all or nothing.
func (r *Runner) install(ctx context.Context, s *slot, c change, from source, branch string) error {
	clone, err := r.session.tempDir()
	if err != nil {
		return err
	}
	err = r.fill(ctx, clone, s, c, from, branch)
	if err != nil {
		return errors.Join(err, os.RemoveAll(clone))
	}
	return nil
}

// fill makes clone the version, with those that are kept, and publishes it.
func (r *Runner) fill(ctx context.Context, clone string, s *slot, c change, from source, branch string) error {
	v, signed, err := r.clone(ctx, clone, c, from)
	if err != nil {
		return err
	}
	before, err := r.keep(ctx, clone, s.dir, v, beforeInstalling(v, c.by, c.current))
	if err != nil {
		return err
	}
	rel := release{Origin: c.address, Branch: branch, version: v, Assigned: c.plugin.Version, By: c.by, Since: time.Now(), Signed: signed, Before: before}
	if err := r.finish(clone, r.owner(c.plugin), rel); err != nil {
		return err
	}
	if c.last == nil && s.installed() != nil { // what another plugin has kept is not for this one
		if err := r.removeState(c.plugin); err != nil {
			return err
		}
	}
	return s.publish(clone, rel)
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
