package cell

import (
	"fmt"
	"syscall"
	"time"
)

// killGrace is how long killed processes are waited for.
const killGrace = 500 * time.Millisecond

// finish ends what the command left in its cell, and takes what it wrote and
// used.
func (r *run) finish() {
	if r.exited {
		r.sum()
		r.vacated = r.cell.vacated()
	}
	if !r.vacated {
		r.read()
		r.empty(r.warden.config.Grace)
	}
	r.stdout.finish()
	r.stderr.finish()
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
// is left in it when the grace period ends. SIGKILL is sent again and again,
// for processes born meanwhile.
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
		r.warden.config.Logger.Warn("cannot signal the processes of a command", "signal", sig, "error", err)
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
	r.endThread()
	if !r.vacated {
		if err := r.cell.close(); err != nil {
			r.warden.config.Logger.Warn("cannot close a run cell", "error", fmt.Errorf("of process %d: %w", r.process.pid, err))
		}
	}
	if r.limit != nil {
		r.limit.release()
	}
}
