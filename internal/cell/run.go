package cell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Run runs the command and returns when none of its processes is left, at the
// latest half a second after ctx has ended and the grace period has passed. An
// exit status other than 0 is not an error.
func (w *Warden) Run(ctx context.Context, c Command) (Result, error) {
	if !w.begin() {
		return Result{}, ErrClosed
	}
	defer w.runs.Done()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
	}
	result, err := w.run(ctx, c)
	for again := 0; errors.Is(err, errGone) && again < 2; again++ { // once for the cell, once for the limiter
		result, err = w.run(ctx, c)
	}
	return result, err
}

// run returns [errGone] if nothing was started and a new cell may help.
func (w *Warden) run(ctx context.Context, c Command) (Result, error) {
	r, err := w.start(c)
	if err != nil {
		return Result{}, err
	}
	err = r.watch(ctx)
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
// process is ready, the spawner's goroutine uses cell.
type run struct {
	warden  *Warden
	limits  Limits
	cell    cell
	process *process
	limit   limit // nil if there is no limiter
	began   time.Time

	prompter       *prompter // nil: the command's standard input is empty
	stdout, stderr *pipe
	exited         bool // the leader was reaped
	exit           exit // valid once exited is true
	usage          Usage

	vacated   bool // the cell is closed
	leftover  int
	survivors []int
	gone      chan struct{} // closed with the cell
}

// start opens a cell and asks the spawner to start the command in it. The
// process reports whether that worked.
func (w *Warden) start(c Command) (*run, error) {
	limits := c.Limits.or(w.config.Limits)
	cell, err := w.block.open(limits)
	if err != nil {
		return nil, fmt.Errorf("cannot be isolated: %w", err)
	}
	r := &run{warden: w, limits: limits, cell: cell, gone: make(chan struct{})}
	var childOut, childErr descriptor
	if r.stdout, childOut, err = newPipe(&head{limit: c.MaxStdout, budget: w.outputs}); err != nil {
		return nil, errors.Join(err, cell.close())
	}
	if r.stderr, childErr, err = newPipe(&tail{limit: c.MaxStderr}); err != nil {
		childOut.close()
		r.stdout.source.close()
		return nil, errors.Join(err, cell.close())
	}
	r.stdout.stream = c.Stream
	stdin, theirs := w.null, []descriptor{childOut, childErr}
	if c.Prompt > 0 {
		if r.prompter, stdin, err = newPrompter(c.Prompt); err != nil {
			closeAll(theirs)
			return nil, r.abandon(err)
		}
		theirs = append(theirs, stdin)
	}
	if r.limit, err = w.limit(limits); err != nil {
		closeAll(theirs)
		return nil, r.abandon(err)
	}
	ready, err := w.spawner.prepare(c, r.limit)
	if err != nil {
		closeAll(theirs)
		return nil, r.abandon(err)
	}
	sys := sysProcAttr(c.User)
	if c.NoNetwork {
		withoutNetwork(sys)
	}
	l := launch{path: c.Path, argv: append([]string{c.Path}, c.Args...), dir: c.Dir, env: c.Env,
		files: []descriptor{stdin, childOut, childErr}, sys: sys, prepared: ready}
	r.process = newProcess(&w.watches)
	r.began = time.Now()
	w.spawner.do(func() {
		err := r.cell.start(l, r.process)
		closeAll(theirs)
		ready.close()
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
func (w *Warden) limit(limits Limits) (limit, error) {
	if w.limiter == nil {
		return nil, nil
	}
	return w.limiter.take(limits)
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
	err := r.cell.close()
	if errors.Is(reason, errGone) {
		return fmt.Errorf("cannot be isolated: %w", reason)
	}
	return errors.Join(reason, err)
}

// watch returns when the run has ended, with the reason unless the command
// exited by itself or was not started.
func (r *run) watch(ctx context.Context) error {
	defer context.AfterFunc(ctx, r.process.interrupt)()
	if quick > 0 && r.stdout.stream == nil {
		r.await(r.began.Add(quick))
	}
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
	res.Stdout, res.StdoutSize = r.stdout.sum()
	res.Stderr, res.StderrSize = r.stderr.sum()
	if r.exited {
		res.ExitCode, res.Signal = r.exit.code, r.exit.signal
	}
	return res
}
