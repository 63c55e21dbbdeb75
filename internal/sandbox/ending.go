package sandbox

import (
	"syscall"
	"time"
)

// killGrace is how long a run waits for killed processes.
const killGrace = 500 * time.Millisecond

// finish ends the processes that the command left in its sandbox, and reads its output
// and usage.
func (r *run) finish() {
	r.prompter.close()
	if r.exited {
		r.readUsage()
		r.closed = r.sandbox.closeIfEmpty()
	}
	if !r.closed {
		r.read()
		r.empty(r.supervisor.config.Grace)
	}
	r.stdout.finish()
	r.stderr.finish()
}

// empty ends all processes in the sandbox.
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
	r.readUsage()
}

// readUsage reads the run's usage before its sandbox is closed.
func (r *run) readUsage() {
	if r.exited {
		r.usage = r.exit.usage
		r.sandbox.usage(&r.usage)
		if r.limit != nil {
			r.limit.usage(&r.usage)
		}
	}
}

// waitEmpty sends the signal, waits until the sandbox is empty, and returns the
// processes that are left after the wait. It repeats SIGKILL, for processes
// forked meanwhile.
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

// signal signals all processes, and the leader unless it was reaped.
func (r *run) signal(sig syscall.Signal) {
	if sig == syscall.SIGKILL && r.limit != nil {
		r.limit.freeze()
	}
	if err := r.sandbox.signal(sig); err != nil {
		r.supervisor.config.Logger.Warn("cannot signal the processes of a command", "signal", sig, "error", err)
	}
	if !r.exited {
		signalProcess(r.process.pid, sig)
	}
}

// left returns the living processes of the sandbox. The leader counts as living
// until it is reaped.
func (r *run) left() []int {
	// Read first: dead orphans may still come while the leader is there.
	exited := r.exited
	left, err := r.sandbox.members()
	if err != nil {
		r.supervisor.config.Logger.Warn("cannot find the processes of a command", "error", err)
	}
	if !exited {
		left = append(left, r.process.pid)
	}
	return left
}

// release closes the sandbox at once if it is empty, else in the background once it is
// empty.
func (r *run) release() {
	if len(r.survivors) == 0 {
		r.close()
		return
	}
	r.supervisor.config.Logger.Error("processes of a command are still there after SIGKILL", "pids", r.survivors)
	r.supervisor.runs.Add(1)
	go func() {
		defer r.supervisor.runs.Done()
		for len(r.waitEmpty(time.Minute, syscall.SIGKILL)) > 0 {
		}
		r.close()
	}()
}

func (r *run) close() {
	defer close(r.gone)
	if !r.closed {
		if err := r.sandbox.close(); err != nil {
			r.supervisor.config.Logger.Warn("cannot remove the sandbox of a command", "pid", r.process.pid, "error", err)
		}
	}
	if r.limit != nil {
		r.limit.release()
	}
}
