package gitrunner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/policy"
	"github.com/lodastack/agent/internal/sandbox"
)

const (
	maxStdout = 8 << 20
	// maxOutputs is the memory that the outputs of all plugins that run at a time may
	// take together, in bytes, beyond the first 64 KiB of each.
	maxOutputs = 32 << 20
	maxStderr  = 4 << 10
)

// RunResult is the result of a run, with all its figures.
type RunResult struct {
	// Format of its output and Mode, as the plugin's plugin.toml says. Empty: it does
	// not say.
	Format, Mode string
	// Stdout is the plugin's standard output, or its first 64 KiB if it wrote too much.
	Stdout []byte
	// Stderr is the end of its standard error, 4 KiB at most.
	Stderr []byte
	// StdoutSize and StderrSize are the numbers of bytes that it wrote.
	StdoutSize, StderrSize int64
	// Duration from its start to the end of its last process.
	Duration time.Duration
	// CPU time of the plugin and its children.
	CPU time.Duration
	// PeakMemory in bytes. Zero: unknown.
	PeakMemory int64
	// Leftover is the number of processes that it left when it exited. They
	// were killed.
	Leftover int
	// Survivors are processes that still existed after SIGKILL, nearly always none.
	// Gone is closed when they have ended.
	Survivors []int
	Gone      <-chan struct{}
}

// Run runs an installed plugin. See [agent.PluginRunner].
func (r *Runner) Run(ctx context.Context, p agent.Plugin, args []string) ([]byte, error) {
	res, err := r.runInstalled(ctx, p, args, nil)
	return res.Stdout, err
}

// RunDaemon runs an installed plugin that prints while it runs. See
// [agent.PluginDaemonRunner].
func (r *Runner) RunDaemon(ctx context.Context, p agent.Plugin, args []string, output func(lines []byte) error) error {
	_, err := r.runInstalled(ctx, p, args, output)
	return err
}

// runInstalled runs an installed plugin, as a daemon if output is not nil.
func (r *Runner) runInstalled(ctx context.Context, p agent.Plugin, args []string, output func(lines []byte) error) (RunResult, error) {
	if err := checkPlugin(p); err != nil {
		return RunResult{}, startError(err)
	}
	s := r.slot(p)
	run, ctx, done, err := r.begin(ctx, s, p, output != nil)
	if err != nil {
		return RunResult{}, err
	}
	defer done()
	s.begin()
	res, err := r.runUnlessStuck(ctx, s, p, run.terms, args, output)
	if ended := (*endedError)(nil); err != nil && errors.As(context.Cause(ctx), &ended) {
		err = ended.err
	}
	if err := s.end(); err != nil {
		r.config.Logger.Warn("cannot remove an old version of a plugin", "namespace", p.Namespace, "repo", p.Repo, "error", err)
	}
	return res, err
}

// runUnlessStuck does not start the plugin while processes of the last run exist in
// spite of SIGKILL. Otherwise the processes of a plugin that waits for a dead file
// server would pile up.
func (r *Runner) runUnlessStuck(ctx context.Context, s *slot, p agent.Plugin, t terms, args []string, output func(lines []byte) error) (RunResult, error) {
	if pids := s.survivors(); len(pids) > 0 {
		return RunResult{}, startError(fmt.Errorf("the plugin was not started: processes %v of an earlier run are still there after SIGKILL", pids))
	}
	res, err := r.runIn(ctx, s.dir, p, t, args, output)
	s.keep(res)
	return res, err
}

// RunDir runs the plugin in a directory, which need not be installed, as Run does. It
// runs a daemon as RunDaemon does: then the end of ctx is not an error.
func (r *Runner) RunDir(ctx context.Context, dir string, p agent.Plugin, args []string) (RunResult, error) {
	t, err := r.terms(p).withSecrets()
	if err != nil {
		return RunResult{}, err
	}
	about, err := manifest.Read(dir)
	if err != nil || about.Mode != manifest.Daemon {
		return r.runIn(ctx, dir, p, t, args, nil)
	}
	var printed bytes.Buffer
	res, err := r.runIn(ctx, dir, p, t, args, func(lines []byte) error {
		if printed.Len()+len(lines) > maxStdout {
			return fmt.Errorf("it printed more than %d MiB in a trial", maxStdout>>20)
		}
		_, err := printed.Write(lines)
		return err
	})
	res.Stdout, res.StdoutSize = printed.Bytes(), int64(printed.Len())
	var failed *agent.RunError
	switch {
	case errors.As(err, &failed) && failed.Result == agent.RunTimeout:
		err = nil
	case err == nil:
		err = &agent.RunError{Result: agent.RunExit, Err: errors.New("the daemon exited with status 0")}
	}
	return res, err
}

// runIn runs the plugin in dir, as a daemon if output is not nil.
func (r *Runner) runIn(ctx context.Context, dir string, p agent.Plugin, t terms, args []string, output func(lines []byte) error) (RunResult, error) {
	about, err := r.checkRun(dir, t, args)
	if err != nil {
		return RunResult{}, err
	}
	if about.Timeout > 0 && output == nil {
		limited, cancel := context.WithTimeout(ctx, about.Timeout)
		defer cancel()
		ctx = limited
	}
	command, kept, err := r.command(dir, p, t, about)
	if err != nil {
		return RunResult{}, err
	}
	command.Args, command.Prompt = args, prompt(p, about, output != nil)
	if output != nil {
		command.Stream = func(stdout io.Reader) error { return pluginoutput.Lines(stdout, output) }
	}
	ctx, stop := watchState(ctx, kept, r.stateLimit(t.rule))
	defer stop()
	res, err := r.pluginSandbox.Run(ctx, command)
	if errors.As(context.Cause(ctx), new(*stateError)) {
		r.looks.Delete(kept[0]) // the next start looks, however lately the last one did
	}
	return RunResult{
		Format: string(about.Format), Mode: about.Mode, Stdout: res.Stdout, Stderr: res.Stderr, StdoutSize: res.StdoutSize, StderrSize: res.StderrSize,
		Duration: res.Duration, CPU: res.Usage.CPU, PeakMemory: res.Usage.PeakMemory,
		Leftover: res.Leftover, Survivors: res.Survivors, Gone: res.Gone,
	}, r.runFailure(ctx, dir, t, about, res, err)
}

// runFailure returns the error of a run that has failed, or nil.
func (r *Runner) runFailure(ctx context.Context, dir string, t terms, about manifest.Manifest, res sandbox.Result, err error) error {
	var start *sandbox.StartError
	switch {
	case res.Usage.OutOfMemory:
		return &agent.RunError{Result: agent.RunMemory, ExitCode: -1, Err: fmt.Errorf("the plugin was killed: it used more than its %d MiB of memory", r.pluginSandbox.Enforced(r.limitsOf(t.rule, about)).Memory>>20)}
	case errors.Is(err, sandbox.ErrEnded) && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &agent.RunError{Result: agent.RunTimeout, ExitCode: -1, Err: fmt.Errorf("the plugin timed out; it had ended after %v", res.Duration.Round(time.Millisecond))}
	case errors.Is(err, sandbox.ErrEnded) && errors.As(context.Cause(ctx), new(*stateError)):
		return &agent.RunError{Result: agent.RunOutput, ExitCode: -1, Err: fmt.Errorf("the plugin was killed: %s: %w", policy.KeyState, context.Cause(ctx))}
	case errors.Is(err, sandbox.ErrStdout):
		return &agent.RunError{Result: agent.RunOutput, ExitCode: -1, Err: fmt.Errorf("the plugin was killed: it wrote more than %d MiB to its standard output", maxStdout>>20)}
	case errors.Is(err, sandbox.ErrMemory):
		return &agent.RunError{Result: agent.RunOutput, ExitCode: -1, Err: fmt.Errorf("the plugin was killed: the standard outputs of all plugins that ran at that time took more than %d MiB together; print less, or run these plugins less often", maxOutputs>>20)}
	case errors.Is(err, pluginoutput.ErrLongLine):
		return &agent.RunError{Result: agent.RunOutput, ExitCode: -1, Err: fmt.Errorf("the plugin was killed: %w", err)}
	case errors.As(err, &start):
		return startError(r.explainStart(dir, t.owner, start.Err))
	case err != nil:
		return fmt.Errorf("the plugin %w", err)
	case len(res.Survivors) > 0:
		return &agent.RunError{Result: agent.RunTimeout, ExitCode: -1, Err: fmt.Errorf("processes %v of the plugin are still there after SIGKILL", res.Survivors)}
	case res.ExitCode == 0:
		return nil
	case res.Signal != 0:
		return &agent.RunError{Result: agent.RunExit, ExitCode: -1, Err: fmt.Errorf("the plugin was killed by the signal %q", res.Signal)}
	}
	return &agent.RunError{Result: agent.RunExit, ExitCode: res.ExitCode, Err: fmt.Errorf("the plugin exited with status %d", res.ExitCode)}
}

func startError(err error) error {
	return &agent.RunError{Result: agent.RunStart, ExitCode: -1, Err: err}
}

// explainStart replaces the kernel's reason by one that helps. The file plugin exists and
// is executable.
func (r *Runner) explainStart(dir string, o owner, err error) error {
	if o.user != nil && errors.Is(err, syscall.EACCES) {
		if closed := closedTo(o.user, dir); closed != "" {
			return fmt.Errorf("the plugin cannot be started: the user %s may not enter the directory %s: %w", o.name, closed, err)
		}
	}
	if reason := r.checkStartable(dir); reason != nil {
		return fmt.Errorf("the plugin cannot be started: %w: %w", reason, err)
	}
	if errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("the plugin cannot be started: its user may not execute it or its interpreter: %w", err)
	}
	return fmt.Errorf("the plugin cannot be started: %w", err)
}
