package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Run runs the command and returns when none of its processes is left. It returns at
// the latest half a second after ctx has ended and the grace period has passed. An exit
// status other than 0 is not an error.
func (s *Supervisor) Run(ctx context.Context, c Command) (Result, error) {
	if !s.begin() {
		return Result{}, ErrClosed
	}
	defer s.runs.Done()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
	}
	result, err := s.run(ctx, c)
	for again := 0; errors.Is(err, errCgroupRemoved) && again < 2; again++ { // once for the sandbox, once for the limiter
		result, err = s.run(ctx, c)
	}
	return result, err
}

// run returns [errCgroupRemoved] if nothing was started and a new sandbox may help.
func (s *Supervisor) run(ctx context.Context, c Command) (Result, error) {
	r, err := s.start(c)
	if err != nil {
		return Result{}, err
	}
	err = r.wait(ctx)
	if failed := r.process.err; failed != nil {
		return Result{}, r.abandon(failed)
	}
	r.finish()
	err = cmp.Or(err, r.stdout.excess())
	result := r.result()
	r.release()
	return result, err
}

// run is a command that runs. Only one goroutine uses it at a time. Until the
// process is ready, the spawner's goroutine uses sandbox.
type run struct {
	supervisor *Supervisor
	limits     Limits
	sandbox    sandbox
	process    *process
	limit      limit // nil if there is no limiter
	began      time.Time

	prompter       *prompter // nil: the command's standard input is empty
	stdout, stderr *pipe
	exited         bool // the leader was reaped
	exit           exit // valid once exited is true
	usage          Usage

	closed    bool // the sandbox is closed
	leftover  int
	survivors []int
	gone      chan struct{} // closed with the sandbox
}

// start opens a sandbox and asks the spawner to start the command in it. The
// process reports whether that worked.
func (s *Supervisor) start(c Command) (*run, error) {
	limits := c.Limits.or(s.config.Limits)
	sandbox, err := s.backend.open(limits)
	if err != nil {
		return nil, fmt.Errorf("cannot be isolated: %w", err)
	}
	r := &run{supervisor: s, limits: limits, sandbox: sandbox, gone: make(chan struct{})}
	var childOut, childErr descriptor
	if r.stdout, childOut, err = newPipe(&head{limit: c.MaxStdout, budget: s.outputs}); err != nil {
		return nil, errors.Join(err, sandbox.close())
	}
	if r.stderr, childErr, err = newPipe(&tail{limit: c.MaxStderr}); err != nil {
		childOut.close()
		r.stdout.source.close()
		return nil, errors.Join(err, sandbox.close())
	}
	r.stdout.stream = c.Stream
	stdin, childEnds := s.null, []descriptor{childOut, childErr}
	if c.Prompt > 0 {
		if r.prompter, stdin, err = newPrompter(c.Prompt); err != nil {
			closeAll(childEnds)
			return nil, r.abandon(err)
		}
		childEnds = append(childEnds, stdin)
	}
	if r.limit, err = s.limit(limits); err != nil {
		closeAll(childEnds)
		return nil, r.abandon(err)
	}
	setup, err := s.spawner.setup(c, r.limit)
	if err != nil {
		closeAll(childEnds)
		return nil, r.abandon(err)
	}
	sys := sysProcAttr(c.User)
	if c.NoNetwork {
		withoutNetwork(sys)
	}
	l := launch{path: c.Path, argv: append([]string{c.Path}, c.Args...), dir: c.Dir, env: c.Env,
		files: []descriptor{stdin, childOut, childErr}, sys: sys, setup: setup}
	r.process = newProcess(&s.waiters)
	r.began = time.Now()
	s.spawner.do(func() {
		err := r.sandbox.start(l, r.process)
		closeAll(childEnds)
		setup.close()
		r.process.launched(err)
	})
	return r, nil
}

func closeAll(descriptors []descriptor) {
	for _, d := range descriptors {
		d.close()
	}
}

// limit returns nil if there is no limiter.
func (s *Supervisor) limit(limits Limits) (limit, error) {
	if s.limiter == nil {
		return nil, nil
	}
	return s.limiter.take(limits)
}

// abandon frees the resources of a command that was not started, and returns
// the reason.
func (r *run) abandon(reason error) error {
	r.prompter.close()
	r.stdout.source.close()
	r.stderr.source.close()
	if r.limit != nil {
		r.limit.release()
	}
	err := r.sandbox.close()
	if errors.Is(reason, errCgroupRemoved) {
		return fmt.Errorf("cannot be isolated: %w", reason)
	}
	return errors.Join(reason, err)
}

// wait returns when the run has ended, with the reason unless the command
// exited by itself or was not started.
func (r *run) wait(ctx context.Context) error {
	defer context.AfterFunc(ctx, r.process.interrupt)()
	// At least once, even if ctx has ended: before the process has started, there is no pid
	// that could be signalled.
	deadline := r.began
	if r.stdout.stream == nil {
		deadline = deadline.Add(quick)
	}
	r.await(deadline)
	if !r.exited {
		r.read()
	}
	for !r.exited {
		if err := r.stdout.excess(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
		}
		r.await(time.Time{})
	}
	return nil
}

// read begins to read the output in the background.
func (r *run) read() {
	r.stdout.read(r.process.interrupt)
	r.stderr.read(func() {})
}

// await waits for the leader until the deadline or an interrupt.
func (r *run) await(deadline time.Time) {
	if !r.exited {
		r.exit, r.exited = r.process.await(deadline)
	}
}

// result returns the result of a run that has ended.
func (r *run) result() Result {
	res := Result{
		ExitCode:  -1,
		Duration:  time.Since(r.began),
		Leftover:  r.leftover,
		Survivors: r.survivors,
		Gone:      r.gone,
		Usage:     r.usage,
	}
	res.Stdout, res.StdoutSize = r.stdout.kept()
	res.Stderr, res.StderrSize = r.stderr.kept()
	if r.exited {
		res.ExitCode, res.Signal = r.exit.code, r.exit.signal
	}
	return res
}
