package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/plugins"
	"github.com/lodastack/agent/internal/policy"
)

// Install installs the assigned version of the plugin, from the address that the config
// makes of its repository. It does nothing if the plugin is installed and the same
// version was assigned then. It replaces a plugin from another address. If it fails, the
// installed version stays.
func (r *Runner) Install(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, plugins.ByRegistry)
}

// Update installs the assigned version or, if none is assigned, the plugin's newest
// release. It does nothing if that is installed. A run in progress continues in the old
// version.
func (r *Runner) Update(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, plugins.ByUpdate)
}

// allow returns an error if the policy refuses the plugin. It is called before anything
// is fetched. It is also called before each run, with the installed version: that one
// still runs if only the assigned version is refused.
func allow(rules policy.Policy, p agent.Plugin) error {
	err := rules.Check(p.Repo, p.Version)
	var refusal *policy.Refusal
	if errors.As(err, &refusal) {
		return &agent.PolicyError{Rule: refusal.Key, Err: err}
	}
	return err
}

// CheckFetch returns an error if a [Runner] of this config refuses to fetch the plugin without
// asking its server. It does no I/O.
func (c Config) CheckFetch(p agent.Plugin) error {
	var from template
	if c.Git != "" {
		var err error
		if from, err = parseTemplate(c.Git); err != nil {
			return fmt.Errorf("agent.git: %w", err)
		}
	}
	_, err := fetchAddress(c.Policy, from, p)
	return err
}

// fetchAddress returns the address of the plugin's repository, or why it may not be fetched.
func fetchAddress(rules policy.Policy, from template, p agent.Plugin) (address string, err error) {
	if err := checkPlugin(p); err != nil {
		return "", err
	}
	if err := allow(rules, p); err != nil {
		return "", err
	}
	return from.address(p.Repo)
}

func (r *Runner) fetch(ctx context.Context, p agent.Plugin, by string) error {
	t := r.terms(p)
	s, address, err := r.prepare(p, t)
	if err != nil {
		return err
	}
	last := s.installedFrom(address)
	current := last
	if current != nil && (checkExecutable(s.dir) != nil || r.checkInstalled(s, t) != nil) {
		current = nil
	}
	if by == plugins.ByRegistry && current != nil && current.Assigned == p.Version {
		return t.owner.protect(s.dir) // the config may have changed the user
	}
	if !r.takeInstall(ctx) {
		return context.Cause(ctx)
	}
	defer r.giveInstall()
	err = r.replace(ctx, s, change{p, t, address, by, current, last})
	if err != nil {
		return fmt.Errorf("plugin %s of namespace %s, repository %s: %w", p.Repo, p.Namespace, address, err)
	}
	return nil
}

// prepare returns the slot of a plugin that may be installed, and the address of its
// repository.
func (r *Runner) prepare(p agent.Plugin, t terms) (*slot, string, error) {
	address, err := fetchAddress(t.rules.Policy, r.template, p)
	if err != nil {
		return nil, "", err
	}
	if r.session == nil {
		return nil, "", errors.New("plugins cannot be installed: set agent.pluginsdir to a directory for them")
	}
	return r.slot(p), address, nil
}

// takeInstall waits while [Config.MaxConcurrentInstalls] plugins are being fetched. It
// returns false if ctx ends first.
func (r *Runner) takeInstall(ctx context.Context) bool {
	select {
	case r.installs <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Runner) giveInstall() { <-r.installs }

// change is a request to install a plugin or to replace its installed version.
type change struct {
	plugin  agent.Plugin
	terms   terms
	address string
	by      string
	current *release // the installed version if it can be used, or nil
	last    *release // the installed version, usable or not; nil: none of this address
}

// replace installs the assigned version, unless it is installed.
func (r *Runner) replace(ctx context.Context, s *slot, c change) error {
	ctx, cancel := r.withGitTimeout(ctx)
	defer cancel()
	asked, err := r.lookup(ctx, c.address, c.plugin.Version)
	if err != nil {
		return err
	}
	if c.current != nil && c.current.version == asked.version {
		return s.confirm(*c.current, c)
	}
	if err := s.searchedBefore(asked); err != nil {
		return err
	}
	err = r.install(ctx, s, c, r.fetched(c.address, asked), asked.branch())
	s.noteSearch(asked, err)
	return err
}

// install puts a version into the plugin's slot, completely or not at all.
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

// fill fetches the version into clone, adds the former versions that are kept, and
// publishes it.
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
	if err := r.finish(clone, c.terms.owner, rel); err != nil {
		return err
	}
	if c.last == nil && s.installed() != nil { // another plugin was installed here: its state is not for this one
		if err := r.removeState(c.plugin); err != nil {
			return err
		}
	}
	return s.publish(clone, rel, c.terms.rules)
}

// Remove deletes an installed plugin. If it is running, its files are deleted after the
// run. It leaves a directory alone that no runner of this package has installed.
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
