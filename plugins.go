package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/lodastack/agent/internal/plugins"
)

// newPlugins makes the set of the assigned plugins.
func (a *Agent) newPlugins() *plugins.Set {
	c := plugins.Config{
		Output: pluginOutput{a},
		State:  a.state(),
		Logger: a.config.logger,
		Audit:  a.config.audit,
		Errors: pluginErrors(),
	}
	if a.runner != nil {
		c.Runner = a.runner
	}
	return plugins.New(c)
}

// pluginErrors are the agent's errors as internal/plugins makes and reads them.
func pluginErrors() plugins.Errors {
	return plugins.Errors{
		Running: ErrPluginRunning, RunAgain: ErrRunAgain, NoEarlier: ErrNoEarlierVersion,
		NotRunning: ErrNotRunning, Stopped: ErrStopped,
		Failed: newRunError, Outcome: outcome, Refused: isPolicy,
	}
}

// newRunError makes the error of a run that ended with result.
func newRunError(result string, err error) error {
	return &RunError{Result: RunResult(result), Err: err}
}

// outcome returns the result and the exit status that the error of a run names.
func outcome(err error) (result string, status int) {
	var failed *RunError
	if !errors.As(err, &failed) {
		return "", 0
	}
	return string(cmp.Or(failed.Result, RunStart)), failed.ExitCode
}

func isPolicy(err error) bool { return errors.As(err, new(*PolicyError)) }

// distinctPlugins returns the plugins of the assignments, the first of those that have one
// namespace and project, and a sentence for each of the others.
func distinctPlugins(assignments []Assignment) (distinct []Plugin, conflicts []string) {
	taken := make(map[plugins.Key]string) // the first one's name
	for _, assignment := range assignments {
		for _, p := range assignment.Plugins {
			p.Namespace = assignment.Namespace
			key := plugins.Plugin(p).Key()
			if first, isTaken := taken[key]; isTaken {
				conflicts = append(conflicts, fmt.Sprintf(
					"plugin %s: the project %s is assigned to namespace %s already, for %s: rename one of them",
					p.Name, key.Project, p.Namespace, first))
				continue
			}
			taken[key] = p.Name
			distinct = append(distinct, p)
		}
	}
	return distinct, conflicts
}

// assignPlugins makes the plugins of the assignments those that run.
func (a *Agent) assignPlugins(assignments []Assignment) {
	distinct, _ := distinctPlugins(assignments)
	assigned := make([]plugins.Plugin, len(distinct))
	for i, p := range distinct {
		assigned[i] = plugins.Plugin(p)
	}
	a.plugins.Assign(assigned)
}

// pluginProblems returns a sentence for each conflict, and one if plugins cannot run at all.
func (a *Agent) pluginProblems() []string {
	assigned, problems := distinctPlugins(a.assigned())
	if a.runner == nil && len(assigned) > 0 {
		problems = append(problems, fmt.Sprintf("%d plugins are assigned, but this agent has no plugin runner", len(assigned)))
	}
	return problems
}

// runnerPart is the plugin runner as the agent calls it.
type runnerPart struct {
	runner     PluginRunner
	remover    PluginRemover      // nil: nothing of a plugin stays
	rollbacker PluginRollbacker   // nil: it keeps no earlier versions
	inspector  PluginInspector    // nil: it tells nothing
	closer     Closer             // nil: nothing is to be closed
	daemons    PluginDaemonRunner // nil: it runs none
	hanging    hanging
}

var _ plugins.Runner = (*runnerPart)(nil)

// newRunnerPart returns nil if there is no runner.
func newRunnerPart(r PluginRunner) *runnerPart {
	if r == nil {
		return nil
	}
	p := &runnerPart{runner: r}
	p.remover, _ = r.(PluginRemover)
	p.rollbacker, _ = r.(PluginRollbacker)
	p.inspector, _ = r.(PluginInspector)
	p.closer, _ = r.(Closer)
	p.daemons, _ = r.(PluginDaemonRunner)
	return p
}

func (p *runnerPart) Install(ctx context.Context, plugin plugins.Plugin) error {
	return recovered(func() error { return p.runner.Install(ctx, Plugin(plugin)) })
}

func (p *runnerPart) Update(ctx context.Context, plugin plugins.Plugin) error {
	return recovered(func() error { return p.runner.Update(ctx, Plugin(plugin)) })
}

func (p *runnerPart) Rollback(ctx context.Context, plugin plugins.Plugin) error {
	if p.rollbacker == nil {
		return fmt.Errorf("%w: its runner does not keep any", ErrNoEarlierVersion)
	}
	return recovered(func() error { return p.rollbacker.Rollback(ctx, Plugin(plugin)) })
}

func (p *runnerPart) Remove(ctx context.Context, plugin plugins.Plugin) error {
	if p.remover == nil {
		return nil
	}
	return recovered(func() error { return p.remover.Remove(ctx, Plugin(plugin)) })
}

func (p *runnerPart) Run(ctx context.Context, plugin plugins.Plugin, args []string) (stdout []byte, err error) {
	err = recovered(func() (err error) {
		stdout, err = p.runner.Run(ctx, Plugin(plugin), args)
		return err
	})
	return stdout, err
}

func (p *runnerPart) RunDaemon(ctx context.Context, plugin plugins.Plugin, args []string, output func(lines []byte) error) error {
	if p.daemons == nil {
		return &RunError{Result: RunStart, Err: errors.New("the runner of this agent cannot run daemons")}
	}
	return recovered(func() error { return p.daemons.RunDaemon(ctx, Plugin(plugin), args, output) })
}

func (p *runnerPart) Inspect(plugin plugins.Plugin) plugins.Release {
	d := p.details(plugin)
	return plugins.Release{Commit: d.Commit, Version: d.Version, Signer: d.Signer, Format: d.Format, Mode: d.Mode, Stderr: d.Stderr}
}

// details returns the runner's details of a plugin, or none if there is no runner, or if it
// panics or hangs.
func (p *runnerPart) details(plugin plugins.Plugin) PluginDetails {
	if p == nil || p.inspector == nil {
		return PluginDetails{}
	}
	details, _ := ask(&p.hanging, func() PluginDetails { return p.inspector.InspectPlugin(Plugin(plugin)) })
	return details
}

func (p *runnerPart) close(ctx context.Context) error {
	if p == nil || p.closer == nil {
		return nil
	}
	return within(ctx, func() error { return p.closer.Close(ctx) })
}
