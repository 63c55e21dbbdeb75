package gitrunner

import (
	"context"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/plugins"
)

// Rollback returns to the version that was installed before, without asking the server.
// That version stays until [Runner.Update], or until [Runner.Install] with another
// assigned version than now. It is checked like one that has just been fetched. If
// Rollback fails, the present version stays.
func (r *Runner) Rollback(ctx context.Context, p agent.Plugin) error {
	t := r.terms(p)
	s, address, err := r.prepare(p, t)
	if err != nil {
		return err
	}
	current := s.installedFrom(address)
	if current == nil || len(current.Before) == 0 {
		return fmt.Errorf("plugin %s of namespace %s: %w", p.Repo, p.Namespace, agent.ErrNoEarlierVersion)
	}
	before := current.Before[0]
	if err := allow(t.rules.Policy, withVersion(p, before.Version)); err != nil {
		return err
	}
	if !r.takeInstall(ctx) {
		return context.Cause(ctx)
	}
	defer r.giveInstall()
	ctx, cancel := r.withGitTimeout(ctx)
	defer cancel()
	if err := r.install(ctx, s, change{p, t, address, plugins.ByRollback, current, current}, r.kept(s.dir, before), ""); err != nil {
		return fmt.Errorf("plugin %s of namespace %s, back to commit %s: %w", p.Repo, p.Namespace, before.Commit, err)
	}
	return nil
}

// kept returns the source of a version that was installed before.
func (r *Runner) kept(place string, v version) source {
	return func(ctx context.Context, dir string) (version, error) {
		if err := r.adopt(ctx, dir, place); err != nil {
			return version{}, err
		}
		if _, err := r.git(ctx, dir, "update-ref", fetchedRef, v.object()); err != nil {
			return version{}, err
		}
		return r.read(ctx, dir, v.Version)
	}
}

// withVersion returns the plugin in another version.
func withVersion(p agent.Plugin, version string) agent.Plugin {
	p.Version = version
	return p
}
