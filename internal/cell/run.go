package cell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Command is what to run.
type Command struct {
	// Path of the executable; a relative one starts at Dir.
	Path string
	// Args without the command's own name.
	Args []string
	// Dir is the working directory.
	Dir string
	// Env is the whole environment, NAME=VALUE.
	Env []string
	// MaxStdout is the number of bytes above which the run is ended. Zero: no
	// limit.
	MaxStdout int
	// MaxStderr is the number of bytes of which the end is kept.
	MaxStderr int
}

// Result is what became of a run.
type Result struct {
	// Stdout that was written; where it was too much, the beginning of it.
	Stdout []byte
	// Stderr is the end of what was written.
	Stderr []byte
	// StdoutSize and StderrSize are what was written, in bytes, as far as it
	// was read.
	StdoutSize, StderrSize int64
	// ExitCode is -1 where a signal ended the command.
	ExitCode int
	// Signal that ended the command, or 0.
	Signal syscall.Signal
	// Duration from the start to the end of the last process.
	Duration time.Duration
	// Leftover is the number of processes that the command left when it
	// exited.
	Leftover int
	// Survivors are processes that were still there half a second after
	// SIGKILL: a dead file server, for example, holds whoever waits for it.
	// They are waited for in the background.
	Survivors []int
	// Gone is closed when there are no survivors any more.
	Gone  <-chan struct{}
	Usage Usage
}

// Usage is what a run cost, with all its processes as far as known.
type Usage struct {
	// CPU time, user and system.
	CPU time.Duration
	// PeakMemory in bytes: of all processes together in a cgroup with the
	// memory controller, else of the largest one. Zero: not known.
	PeakMemory int64
	// OutOfMemory says that processes were killed because the run used more
	// memory than it may.
	OutOfMemory bool
}

// Errors of [Warden.Run] where the command did not end by itself.
var (
	// ErrEnded says that the context ended first; the cause of that is
	// wrapped beside it.
	ErrEnded = errors.New("was ended before it had finished")
	// ErrStdout says that the command wrote more than it may.
	ErrStdout = errors.New("was ended because it wrote too much to its standard output")
)

// StartError is returned where a command could not be executed.
type StartError struct{ Err error }

func (e *StartError) Error() string { return "cannot be started: " + e.Err.Error() }

// Unwrap returns the cause, which wraps a [syscall.Errno].
func (e *StartError) Unwrap() error { return e.Err }

// killGrace is how long killed processes are waited for.
const killGrace = 500 * time.Millisecond

// Run runs the command and returns when no process of it is left: at the
// latest the grace period and half a second after ctx has ended. An exit
// status other than 0 is no error.
func (w *Warden) Run(ctx context.Context, c Command) (Result, error) {
	if !w.begin() {
		return Result{}, ErrClosed
	}
	defer w.runs.Done()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
	}
	r, err := w.start(c)
	for again := 0; errors.Is(err, errGone) && again < 2; again++ { // the cell's, and the limiter's
		r, err = w.start(c)
	}
	if err != nil {
		return Result{}, err
	}
	err = r.watch(ctx)
	if r.exited {
		r.sum()
		r.vacated = r.cell.vacated()
	}
	if !r.vacated {
		r.read()
		r.empty(w.config.Grace)
	}
	r.stdout.finish()
	r.stderr.finish()
	if err == nil && r.stdout.isFull() {
		err = ErrStdout
	}
	result := r.result()
	r.release()
	return result, err
}

// run is a command under way. One goroutine at a time has it.
type run struct {
	warden  *Warden
	cell    cell
	process *process
	limit   limit // nil where there is no limiter
	began   time.Time

	stdout, stderr *pipe
	exited         bool // the leader has been waited for
	exit           exit // valid once exited is true
	usage          Usage

	vacated   bool // the cell is closed
	leftover  int
	survivors []int
	gone      chan struct{} // closed with the cell
}

// start opens a cell and starts the command in it. The error is [errGone]
// where that may be tried again.
func (w *Warden) start(c Command) (*run, error) {
	cell, err := w.block.open()
	if err != nil {
		return nil, fmt.Errorf("has no cell to run in: %w", err)
	}
	r := &run{warden: w, cell: cell, gone: make(chan struct{})}
	var childOut, childErr *os.File
	if r.stdout, childOut, err = newPipe(&head{limit: c.MaxStdout}); err != nil {
		return nil, errors.Join(err, cell.close())
	}
	defer childOut.Close()
	if r.stderr, childErr, err = newPipe(&tail{limit: c.MaxStderr}); err != nil {
		r.stdout.source.close()
		return nil, errors.Join(err, cell.close())
	}
	defer childErr.Close()

	l := launch{path: c.Path, argv: append([]string{c.Path}, c.Args...), dir: c.Dir, env: c.Env,
		files: []*os.File{w.null, childOut, childErr}, sys: sysProcAttr(w.config)}
	r.began = time.Now()
	if err := w.spawner.do(func() error { return r.spawn(l) }); err != nil {
		r.stdout.source.close()
		r.stderr.source.close()
		if errors.Is(err, errGone) {
			cell.close()
			return nil, fmt.Errorf("has no cell to run in: %w", err)
		}
		return nil, errors.Join(err, cell.close())
	}
	return r, nil
}

// spawn starts the command; it is called by the spawner's thread.
func (r *run) spawn(l launch) (err error) {
	if limiter := r.warden.limiter; limiter != nil {
		if r.limit, err = limiter.limit(); err != nil {
			return err
		}
	}
	r.process, err = r.cell.start(l)
	if err == nil {
		return nil
	}
	if r.limit != nil {
		r.limit.release()
	}
	if errors.Is(err, errGone) {
		return err
	}
	return &StartError{err}
}

// watch returns when the run is over, with the reason unless the command
// exited by itself.
func (r *run) watch(ctx context.Context) error {
	defer context.AfterFunc(ctx, r.process.interrupt)()
	if quick > 0 {
		r.await(r.began.Add(quick))
	}
	if !r.exited {
		r.read()
	}
	for !r.exited {
		switch {
		case r.stdout.isFull():
			return ErrStdout
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
		}
		r.await(time.Time{})
	}
	return nil
}

// read reads the output in the background from now on.
func (r *run) read() {
	r.stdout.read(r.process.interrupt)
	r.stderr.read(func() {})
}

// await waits for the leader until the deadline, or until it is interrupted.
func (r *run) await(deadline time.Time) {
	if !r.exited {
		r.exit, r.exited = r.process.await(deadline)
	}
}

// empty ends what is in the cell.
func (r *run) empty(grace time.Duration) {
	left := r.left()
	if r.exited {
		r.leftover = len(left)
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, killGrace}} {
		if len(left) == 0 {
			break
		}
		left = r.waitEmpty(step.wait, step.signal)
	}
	r.survivors = left
	r.sum()
}

// sum takes what the run has used, before its cell is closed.
func (r *run) sum() {
	if r.exited {
		r.usage = r.exit.usage
		r.cell.usage(&r.usage)
	}
}

// waitEmpty sends the signal, waits until the cell is empty, and returns what
// is left in it when the time is over. SIGKILL is sent again and again, for
// those born meanwhile.
func (r *run) waitEmpty(wait time.Duration, sig syscall.Signal) []int {
	deadline := time.Now().Add(wait)
	r.signal(sig)
	longest := max(20*time.Millisecond, wait/100)
	for pause := time.Millisecond; ; pause = min(2*pause, longest) {
		left := r.left()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		if sig == syscall.SIGKILL {
			r.signal(sig)
		}
		if r.exited {
			time.Sleep(pause)
		} else {
			r.await(time.Now().Add(pause))
		}
	}
}

// signal reaches the leader, unless it has been waited for, and all others.
func (r *run) signal(sig syscall.Signal) {
	if sig == syscall.SIGKILL && r.limit != nil {
		r.limit.freeze()
	}
	if err := r.cell.signal(sig); err != nil {
		r.warden.config.Logger.Warn("cannot end a command", "signal", sig, "error", err)
	}
	if !r.exited {
		signalProcess(r.process.pid, sig)
	}
}

// left returns the living processes of the cell. The leader counts as living
// until it has been waited for.
func (r *run) left() []int {
	// Asked first: while the leader is there, dead orphans may still come.
	exited := r.exited
	left, err := r.cell.members()
	if err != nil {
		r.warden.config.Logger.Warn("cannot find the processes of a command", "error", err)
	}
	if !exited {
		left = append(left, r.process.pid)
	}
	return left
}

// result takes the sum of a run that is over.
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

// release gives the cell back: at once where it is empty, else when it will
// be.
func (r *run) release() {
	if len(r.survivors) == 0 {
		r.close()
		return
	}
	r.warden.config.Logger.Error("processes of a command are still there after SIGKILL", "pids", r.survivors)
	r.warden.runs.Add(1)
	go func() {
		defer r.warden.runs.Done()
		for len(r.waitEmpty(time.Minute, syscall.SIGKILL)) > 0 {
		}
		r.close()
	}()
}

func (r *run) close() {
	defer close(r.gone)
	if !r.vacated {
		if err := r.cell.close(); err != nil {
			r.warden.config.Logger.Warn("cannot close a run cell", "error", fmt.Errorf("of process %d: %w", r.process.pid, err))
		}
	}
	if r.limit != nil {
		r.limit.release()
	}
}
