package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/lodastack/agent/internal/pluginargs"
)

// InputError is the error of a call whose arguments make no sense, whatever
// the agent's state.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.Err }

// Plugins returns the status of each assigned plugin, in order of namespace
// and project.
func (a *Agent) Plugins() []PluginStatus { return a.plugins.list() }

// RunPlugin runs an assigned plugin, also one that is disabled, and returns
// its result and output. namespace and repo name it; repo is its address as
// git takes it, or just ORG/PROJECT. When ctx ends, the plugin is ended.
// [WithoutPluginCalls] is about HTTP, not about this.
//
// The error is [ErrNoPlugin], [ErrPluginRunning] (nothing was started), an
// [*InputError], or a [*RunError] beside the result of the failed run.
func (a *Agent) RunPlugin(ctx context.Context, namespace, repo string, args []string) (PluginResult, error) {
	p, err := a.plugins.find(namespace, repo)
	if err != nil {
		return PluginResult{}, err
	}
	if err := pluginargs.Check(args); err != nil {
		return PluginResult{}, &InputError{Err: err}
	}
	ctx, done, err := a.plugins.within(ctx)
	if err != nil {
		return PluginResult{}, err
	}
	defer done()
	return p.runOnDemand(ctx, args)
}

// UpdatePlugin fetches the newest release of an assigned plugin, or again the
// version that the registry names, all or nothing. Its errors are those of
// [Agent.RunPlugin] and the runner's.
func (a *Agent) UpdatePlugin(ctx context.Context, namespace, repo string) error {
	return a.changePlugin(ctx, namespace, repo, "update", byUpdate, (*runnerPart).update)
}

// RollbackPlugin returns to the version of an assigned plugin that was installed
// before. It stays until [Agent.UpdatePlugin], or until the registry names another
// version; a restart of the agent does not end that.
//
// The error is [ErrNoEarlierVersion], or one of those of [Agent.UpdatePlugin].
func (a *Agent) RollbackPlugin(ctx context.Context, namespace, repo string) error {
	return a.changePlugin(ctx, namespace, repo, "roll back", byRollback, (*runnerPart).rollback)
}

// changePlugin lets the runner install another version of a plugin.
func (a *Agent) changePlugin(ctx context.Context, namespace, repo, what, by string, get func(*runnerPart, context.Context, Plugin) error) error {
	p, err := a.plugins.find(namespace, repo)
	if err != nil {
		return err
	}
	if a.runner == nil {
		return errors.New("this agent has no plugin runner")
	}
	ctx, done, err := a.plugins.within(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := p.fetch(ctx, by, func(ctx context.Context, plugin Plugin) error { return get(a.runner, ctx, plugin) }); err != nil {
		return fmt.Errorf("%s plugin %s: %w", what, p.key, err)
	}
	return nil
}

// EnablePlugin lets a disabled plugin run periodically again.
func (a *Agent) EnablePlugin(_ context.Context, namespace, repo string) error {
	p, err := a.plugins.find(namespace, repo)
	if err != nil {
		return err
	}
	defer p.daemonChanged()
	return a.plugins.disabled.remove(p.key)
}

// DisablePlugin stops a plugin's periodic runs, or ends a daemon, for 24 hours or
// until [Agent.EnablePlugin]; a restart of the agent does not end that.
func (a *Agent) DisablePlugin(_ context.Context, namespace, repo string) error {
	p, err := a.plugins.find(namespace, repo)
	if err != nil {
		return err
	}
	defer p.daemonChanged()
	return a.plugins.disabled.add(p.key)
}
