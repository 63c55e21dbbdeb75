package sandbox

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is the leader of a run. Unlike [os.Process], it needs no thread or
// goroutine that waits for it. Hundreds of plugins may run at a time, and a
// short run costs one wake-up.
//
// The run makes the process and waits for it, and the spawner starts it. The run is not
// told when the process has started, only when it has ended.
type process struct {
	waiter      *exitWaiter // nil before Linux 5.3, which uses background
	waiters     *exitWaiters
	started     atomic.Bool // the process exists
	interrupted atomic.Bool

	ready      chan struct{} // closed when the following fields are valid
	err        error         // why the process could not be started
	pid        int
	pidfd      int // -1: none
	background *background
}

// newProcess returns a process to be started. If from is nil, a goroutine waits
// for it.
func newProcess(from *exitWaiters) *process {
	return &process{waiters: from, waiter: from.take(), pidfd: -1, ready: make(chan struct{})}
}

// start starts the process. The caller then calls launched.
func (p *process) start(l launch) (err error) {
	if p.waiter != nil { // without a waiter nobody would close it
		l.sys.PidFD = &p.pidfd
	}
	leaders.Lock()
	defer leaders.Unlock()
	if p.pid, err = l.start(); err != nil {
		return err
	}
	leaders.add(p.pid)
	p.started.Store(true)
	if p.waiter == nil {
		p.background = waitInBackground(p.waitLong)
		return nil
	}
	if err := p.waiter.add(p.pidfd); err != nil {
		syscall.Kill(p.pid, syscall.SIGKILL) // await reaps it
		return fmt.Errorf("waiting for a process: %w", err)
	}
	return nil
}

// launched reports the result of start, or the reason why start was not called.
func (p *process) launched(err error) {
	p.err = err
	close(p.ready)
	if err != nil {
		p.interrupt()
	}
}

// await returns the process's exit once it has ended. It returns false at the
// deadline (zero: none), after an interrupt, and sometimes earlier, but never
// before the process has been started. If the start failed it returns true, and
// err is set. It is not called again after it has returned true.
func (p *process) await(deadline time.Time) (e exit, ended bool) {
	if p.waiter == nil {
		<-p.ready
		if p.background == nil {
			return exit{code: -1}, true
		}
		return p.background.await(deadline)
	}
	p.waiter.wait(deadline, func() bool {
		e, ended = p.reap()
		return ended || p.interrupted.Swap(false)
	})
	<-p.ready
	if p.err != nil && p.started.Load() && !ended {
		e = p.waitLong()
	}
	if ended || p.err != nil {
		p.release()
		return e, true
	}
	return e, false
}

// release frees what was used for waiting.
func (p *process) release() {
	if p.pidfd >= 0 {
		p.waiter.remove(p.pidfd)
		closeNow(p.pidfd)
	}
	p.waiters.give(p.waiter)
}

// interrupt makes the present await return, or the next one.
func (p *process) interrupt() {
	p.interrupted.Store(true)
	if p.waiter != nil {
		p.waiter.wake()
		return
	}
	<-p.ready
	if p.background != nil {
		p.background.interrupt()
	}
}

// reap waits for the process if it has ended.
func (p *process) reap() (exit, bool) {
	if !p.started.Load() {
		return exit{}, false
	}
	var usage unix.Rusage
	pid, status, err := waitNow(p.pid, &usage)
	if err == nil && pid == 0 {
		return exit{}, false
	}
	return p.reaped(status, usage, err), true
}

// waitLong occupies a thread until the process has ended.
func (p *process) waitLong() exit {
	var status unix.WaitStatus
	var usage unix.Rusage
	for {
		_, err := unix.Wait4(p.pid, &status, 0, &usage)
		if !errors.Is(err, unix.EINTR) {
			return p.reaped(status, usage, err)
		}
	}
}

func (p *process) reaped(status unix.WaitStatus, usage unix.Rusage, err error) exit {
	leaders.remove(p.pid)
	if err != nil {
		return exit{code: -1} // the calling program has reaped it
	}
	return exitOf(status, usage)
}

// kill kills the process and waits for it.
func (p *process) kill() {
	syscall.Kill(p.pid, syscall.SIGKILL)
	p.await(time.Time{})
}

// exitOf returns the exit with the usage of the leader and of the children that
// it waited for. A new process starts with the peak memory of the program that
// started it (it survives execve), so only a larger peak is known to be the
// command's.
func exitOf(status unix.WaitStatus, theirs unix.Rusage) exit {
	e := exit{code: status.ExitStatus()}
	if status.Signaled() {
		e.signal = status.Signal()
	}
	e.usage.CPU = time.Duration(theirs.Utime.Nano() + theirs.Stime.Nano())
	var ours unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ours); err == nil && theirs.Maxrss > ours.Maxrss {
		e.usage.PeakMemory = int64(theirs.Maxrss) * 1024
	}
	return e
}
