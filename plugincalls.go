package agent

import (
	"context"
	"fmt"

	"github.com/lodastack/agent/internal/pluginargs"
	"github.com/lodastack/agent/internal/plugins"
	"github.com/lodastack/agent/internal/repopath"
)

// findPlugin returns the plugin of a namespace with a repository's address in any of
// its forms.
func (a *Agent) findPlugin(namespace, repo string) (*plugins.Assigned, error) {
	wanted, err := repopath.Parse(repo)
	if err != nil {
		return nil, &InputError{Err: fmt.Errorf("the repo %.100q: %w", repo, err)}
	}
	p := a.plugins.Find(namespace, wanted)
	if p == nil {
		return nil, fmt.Errorf("namespace %.100q, repo %.100q: %w", namespace, repo, ErrNoPlugin)
	}
	return p, nil
}

// InstallPlugins makes the [PluginRunner] install all assigned plugins again, as after a
// start. It is for a runner whose own settings have changed, so that it may now refuse a
// plugin or allow it. Plugins that are installed already run on. It does not wait.
func (a *Agent) InstallPlugins() { a.plugins.InstallAgain() }

// RunPlugin runs an assigned plugin, also one that is disabled, and returns
// its result and output. namespace and repo name it; repo is its address for git, or only
// ORG/PROJECT. When ctx ends, the plugin is ended. [WithoutPluginCalls] does not concern
// this method, only HTTP.
//
// The error is [ErrNoPlugin], [ErrPluginRunning] (nothing was started), an
// [*InputError], or a [*RunError] with the result of the failed run.
func (a *Agent) RunPlugin(ctx context.Context, namespace, repo string, args []string) (PluginResult, error) {
	p, err := a.findPlugin(namespace, repo)
	if err != nil {
		return PluginResult{}, err
	}
	if err := pluginargs.Check(args); err != nil {
		return PluginResult{}, &InputError{Err: err}
	}
	result, err := p.Run(ctx, args)
	return pluginResult(result), err
}

// UpdatePlugin fetches the newest release of an assigned plugin, or the version that the
// registry names again. If it fails, the installed version stays. Its errors are those of
// [Agent.RunPlugin] and the runner's.
func (a *Agent) UpdatePlugin(ctx context.Context, namespace, repo string) error {
	p, err := a.findPlugin(namespace, repo)
	if err != nil {
		return err
	}
	return p.Update(ctx)
}

// RollbackPlugin returns to the version of an assigned plugin that was installed
// before. It stays until [Agent.UpdatePlugin], or until the registry names another
// version; a restart of the agent does not end that.
//
// The error is [ErrNoEarlierVersion], or one of those of [Agent.UpdatePlugin].
func (a *Agent) RollbackPlugin(ctx context.Context, namespace, repo string) error {
	p, err := a.findPlugin(namespace, repo)
	if err != nil {
		return err
	}
	return p.Rollback(ctx)
}

// EnablePlugin lets a disabled plugin run periodically again.
func (a *Agent) EnablePlugin(_ context.Context, namespace, repo string) error {
	p, err := a.findPlugin(namespace, repo)
	if err != nil {
		return err
	}
	return p.Enable()
}

// DisablePlugin stops a plugin's periodic runs, or ends a daemon, for 24 hours or
// until [Agent.EnablePlugin]; a restart of the agent does not end that.
func (a *Agent) DisablePlugin(_ context.Context, namespace, repo string) error {
	p, err := a.findPlugin(namespace, repo)
	if err != nil {
		return err
	}
	return p.Disable()
}
