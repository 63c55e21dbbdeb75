package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/plugins"
)

// Plugin is a program that is to run on this host for a namespace.
type Plugin struct {
	Namespace string `json:"namespace"`
	// Name begins with "PLUGIN." and is the beginning of the names of the plugin's
	// metrics.
	Name string `json:"name"`
	// Repo is the path ORG/PROJECT of the plugin's repository, or
	// ORG/SUBGROUP/PROJECT. Namespace and PROJECT together identify a plugin
	// on a host.
	Repo string `json:"repo"`
	// Version is the tag or the full commit to install. Empty: the newest release at the
	// time of the installation or update.
	Version string `json:"version,omitempty"`
	// Interval between the starts of two runs. Zero: the plugin runs on
	// demand only (see [Agent.RunPlugin]).
	Interval time.Duration `json:"interval"`
	Args     []string      `json:"args,omitempty"`
	// Format of its output: json, influx, prometheus or nagios. Empty: the format in its
	// plugin.toml (see [PluginDetails]), else json.
	Format string `json:"format,omitempty"`
	// Mode is "run", for a program that ends, or "daemon", for one that is started
	// once, is kept running, and prints as it goes. Empty: the mode in its plugin.toml,
	// else "run".
	Mode string `json:"mode,omitempty"`
}

// The values of a plugin's Mode.
const (
	ModeRun    = manifest.Run
	ModeDaemon = manifest.Daemon
)

// PluginRunner fetches plugins and runs them. See [WithPluginRunner].
//
// Its methods are called concurrently. But for one plugin there is at most one call of
// Install, Update and the methods of [PluginRemover] and [PluginRollbacker] at a time, and
// never two Runs. A runner that is a [Closer] is closed when the agent has stopped.
type PluginRunner interface {
	// Install installs the plugin, in its Version if it has one. It does nothing if the
	// last successful Install, Update or Rollback had the same Version. If Install fails,
	// the former version stays, or nothing is installed.
	//
	// The error of Install, Update and Run is or wraps a [*PolicyError] if the host's own
	// config does not allow it.
	Install(ctx context.Context, p Plugin) error
	// Update fetches the plugin's Version again or, if it has none, its newest release. If
	// it fails, the installed version stays. A run under way is not disturbed.
	Update(ctx context.Context, p Plugin) error
	// Run runs the plugin with args and returns its standard output, also with an error.
	// When ctx ends, the plugin is ended. No process of the plugin is left when Run
	// returns.
	//
	// The error is a [*RunError] if the plugin itself is to blame.
	Run(ctx context.Context, p Plugin, args []string) (stdout []byte, err error)
}

// ErrRunAgain is the error of RunDaemon when the runner has ended the plugin because it has
// to run in another way from now on, as another user for example. That is not a failure: the
// agent starts the plugin again, after a second.
var ErrRunAgain = errors.New("the plugin has to be started again")

// PluginDaemonRunner is an optional interface of a [PluginRunner] that runs plugins
// which do not end: those whose mode is "daemon".
type PluginDaemonRunner interface {
	// RunDaemon runs the plugin until it ends or ctx does. p.Interval is the interval of
	// the signal for a plugin that measures on one; it is not zero. RunDaemon calls
	// output with whole lines of the plugin's standard output as they come, from one
	// goroutine. While output has not returned, the plugin cannot print more. An error of
	// output ends the plugin. output must not keep the lines, and returns soon
	// after ctx has ended. No process of the plugin is left when RunDaemon returns.
	//
	// The error is a [*RunError] if the plugin itself is to blame, nil if it has exited
	// with 0, and [ErrRunAgain] if the runner has ended it.
	RunDaemon(ctx context.Context, p Plugin, args []string, output func(lines []byte) error) error
}

// Closer is an optional interface of a [PluginRunner] that has resources to release.
type Closer interface {
	// Close releases them, and returns soon after ctx has ended. It may be called more
	// than once.
	Close(ctx context.Context) error
}

// PluginRemover is an optional interface of a [PluginRunner] that keeps plugins on disk.
type PluginRemover interface {
	// Remove deletes a plugin that is no longer assigned. It may be called while the
	// plugin runs.
	Remove(ctx context.Context, p Plugin) error
}

// PluginRollbacker is an optional interface of a [PluginRunner] that keeps former versions of
// a plugin. See [Agent.RollbackPlugin].
type PluginRollbacker interface {
	// Rollback installs the version that was installed before. If it fails, the present
	// version stays. A run under way is not disturbed. The error is or wraps
	// [ErrNoEarlierVersion] if no former version is kept.
	//
	// The version stays until Update, or until Install with another Version than p's,
	// also after a restart.
	Rollback(ctx context.Context, p Plugin) error
}

// PluginInspector is an optional interface of a [PluginRunner] that knows more about its
// plugins than their output.
type PluginInspector interface {
	InspectPlugin(p Plugin) PluginDetails
}

// Errors of the calls that name a plugin.
var (
	ErrNoPlugin      = errors.New("no such plugin is assigned to this host; a newly assigned one is known after the next update")
	ErrPluginRunning = errors.New("the plugin is running already")
	// ErrNoEarlierVersion means that a plugin has no former version to return to.
	ErrNoEarlierVersion = errors.New("there is no earlier version of the plugin on this host")
)

// PolicyError means that the host's own config does not allow installing or running a plugin.
type PolicyError struct {
	// Rule is the key of the config that refuses it, "policy.plugins" for
	// example.
	Rule string
	Err  error
}

func (e *PolicyError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *PolicyError) Unwrap() error { return e.Err }

// RunError is the error of a run that failed because of the plugin.
type RunError struct {
	Result RunResult
	// ExitCode is the plugin's exit status if Result is RunExit, and -1 if a signal ended
	// it.
	ExitCode int
	Err      error
}

func (e *RunError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// runnerPart is the plugin runner as the agent calls it.
type runnerPart struct {
	runner     PluginRunner
	remover    PluginRemover      // nil: nothing of a plugin stays
	rollbacker PluginRollbacker   // nil: it keeps no earlier versions
	inspector  PluginInspector    // nil: it tells nothing
	closer     Closer             // nil: nothing is to be closed
	daemons    PluginDaemonRunner // nil: it runs none
	inspects   promptCalls
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
	details, _ := askPromptly(&p.inspects, func() PluginDetails { return p.inspector.InspectPlugin(Plugin(plugin)) })
	return details
}

func (p *runnerPart) close(ctx context.Context) error {
	if p == nil || p.closer == nil {
		return nil
	}
	return within(ctx, func() error { return p.closer.Close(ctx) })
}
