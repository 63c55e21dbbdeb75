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
	// Env is the whole environment, NAME=VALUE. Some kinds of cells add a
	// variable.
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
	// Survivors are processes that could not be ended in time, because the
	// kernel does not let go of them. They are waited for in the background.
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
	if err != nil {
		return Result{}, err
	}
	err = r.watch(ctx)
	if isClosed(r.exited) {
		r.sum()
		r.vacated = r.cell.vacated()
	}
	if !r.vacated {
		r.empty(w.config.Grace)
	}
	defer r.release()
	return r.result(), err
}

// run is a command under way.
type run struct {
	warden  *Warden
	cell    cell
	process *process
	unlimit func() // nil where there is no limiter
	began   time.Time

	stdout, stderr *pipe
	exited         chan struct{} // closed when the leader has been waited for
	exit           exit          // valid once exited is closed
	usage          Usage

	vacated   bool // the cell is closed
	leftover  int
	survivors []int
	gone      chan struct{} // closed with the cell
}

// start opens a cell and starts the command in it.
func (w *Warden) start(c Command) (*run, error) {
	cell, err := w.block.open()
	if err != nil {
		return nil, fmt.Errorf("has no cell to run in: %w", err)
	}
	r := &run{warden: w, cell: cell, exited: make(chan struct{}), gone: make(chan struct{})}
	var childOut, childErr *os.File
	if r.stdout, childOut, err = newPipe(&head{limit: c.MaxStdout}); err != nil {
		return nil, errors.Join(err, cell.close())
	}
	defer childOut.Close()
	if r.stderr, childErr, err = newPipe(&tail{limit: c.MaxStderr}); err != nil {
		r.stdout.close()
		return nil, errors.Join(err, cell.close())
	}
	defer childErr.Close()

	l := launch{path: c.Path, argv: append([]string{c.Path}, c.Args...), dir: c.Dir, env: c.Env,
		files: []*os.File{w.null, childOut, childErr}, sys: sysProcAttr(w.config)}
	r.began = time.Now()
	if err := w.spawner.do(func() error { return r.spawn(l) }); err != nil {
		r.stdout.close()
		r.stderr.close()
		return nil, errors.Join(err, cell.close())
	}
	go func() {
		defer close(r.exited)
		r.exit = r.process.wait()
	}()
	r.stdout.read()
	r.stderr.read()
	return r, nil
}

// spawn starts the command; it is called by the spawner's thread.
func (r *run) spawn(l launch) (err error) {
	if limiter := r.warden.limiter; limiter != nil {
		if r.unlimit, err = limiter.limit(); err != nil {
			return err
		}
	}
	if r.process, err = r.cell.start(l); err != nil {
		err = &StartError{err}
	}
	if err != nil && r.unlimit != nil {
		r.unlimit()
	}
	return err
}

// watch returns when the run is over, with the reason unless the command
// exited by itself.
func (r *run) watch(ctx context.Context) error {
	select {
	case <-r.exited:
	case <-r.stdout.full:
		return ErrStdout
	case <-ctx.Done():
		if !isClosed(r.exited) {
			return fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
		}
	}
	if isClosed(r.stdout.full) {
		return ErrStdout
	}
	return nil
}

// empty ends what is in the cell.
func (r *run) empty(grace time.Duration) {
	left := r.left()
	if isClosed(r.exited) {
		r.leftover = len(left)
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, killGrace}} {
		if len(left) == 0 {
			break
		}
		if err := r.cell.signal(step.signal); err != nil {
			r.warden.config.Logger.Warn("ending a command", "signal", step.signal, "error", err)
		}
		left = r.waitEmpty(step.wait, step.signal)
	}
	r.survivors = left
	r.sum()
}

// sum takes what the run has used, before its cell is closed.
func (r *run) sum() {
	if isClosed(r.exited) {
		r.usage = r.exit.usage
		r.cell.usage(&r.usage)
	}
}

// waitEmpty waits until the cell is empty, and returns what is left in it
// when the time is over. Those born meanwhile are killed as well.
func (r *run) waitEmpty(wait time.Duration, sig syscall.Signal) []int {
	deadline := time.Now().Add(wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left := r.left()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		if sig == syscall.SIGKILL {
			r.cell.signal(sig)
		}
		select {
		case <-r.exited:
			time.Sleep(pause)
		case <-time.After(pause):
		}
	}
}

// left returns the living processes of the cell. The leader counts as living
// until it has been waited for.
func (r *run) left() []int {
	// Asked first: while the leader is there, dead orphans may still come.
	exited := isClosed(r.exited)
	left, err := r.cell.members()
	if err != nil {
		r.warden.config.Logger.Warn("looking for the processes of a command", "error", err)
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
	r.stdout.drain()
	r.stderr.drain()
	res.Stdout, res.StdoutSize = r.stdout.sum()
	res.Stderr, res.StderrSize = r.stderr.sum()
	if isClosed(r.exited) {
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
	r.warden.config.Logger.Error("processes cannot be ended, the kernel holds them", "pids", r.survivors)
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
	if r.unlimit != nil {
		r.unlimit()
	}
	if r.vacated {
		return
	}
	if err := r.cell.close(); err != nil {
		r.warden.config.Logger.Warn("closing a run cell", "error", fmt.Errorf("of process %d: %w", r.process.pid, err))
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
