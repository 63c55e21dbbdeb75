package cell

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is the leader of a run. Unlike an [os.Process] it is waited for
// without occupying a thread or a goroutine, so that hundreds of plugins may
// run at a time and a short run costs one wake-up.
//
// It is made and waited for by the run, and started by the spawner: nothing
// tells the run that its process has started, only that it has ended.
type process struct {
	watch       *watch // nil before Linux 5.4: background is used instead
	watches     *watches
	started     atomic.Bool // there is a process
	interrupted atomic.Bool

	ready      chan struct{} // closed when the fields below are valid
	err        error         // why the process could not be started
	pid        int
	pidfd      int // -1: none
	background *background
}

// newProcess returns a process to be started. With nil it waits in the
// background.
func newProcess(from *watches) *process {
	return &process{watches: from, watch: from.take(), pidfd: -1, ready: make(chan struct{})}
}

// start starts the process. launched must follow.
func (p *process) start(l launch) (err error) {
	files := make([]uintptr, len(l.files))
	for i, f := range l.files {
		files[i] = uintptr(f)
	}
	if p.watch != nil { // else nobody would close it
		l.sys.PidFD = &p.pidfd
	}
	leaders.Lock()
	defer leaders.Unlock()
	p.pid, _, err = syscall.StartProcess(l.path, l.argv, &syscall.ProcAttr{Dir: l.dir, Env: l.env, Files: files, Sys: l.sys})
	if err != nil {
		return fmt.Errorf("executing %s: %w", l.path, err)
	}
	leaders.add(p.pid)
	p.started.Store(true)
	if p.watch == nil {
		p.background = waitInBackground(p.waitLong)
		return nil
	}
	if err := p.watch.add(p.pidfd); err != nil {
		syscall.Kill(p.pid, syscall.SIGKILL) // await reaps it
		return fmt.Errorf("waiting for a process: %w", err)
	}
	return nil
}

// launched says that start has returned err, or was not called because of it.
func (p *process) launched(err error) {
	p.err = err
	close(p.ready)
	if err != nil {
		p.interrupt()
	}
}

// await returns the process's exit once it has ended. It returns false at the
// deadline (zero: never) and after an interrupt, and may do so earlier, but
// not before the process has been started; where that failed it returns true,
// and err is set. It is not called again once it has returned true.
func (p *process) await(deadline time.Time) (e exit, ended bool) {
	if p.watch == nil {
		<-p.ready
		if p.background == nil {
			return exit{code: -1}, true
		}
		return p.background.await(deadline)
	}
	p.watch.wait(deadline, func() bool {
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

// release gives back what the process was waited for with.
func (p *process) release() {
	if p.pidfd >= 0 {
		p.watch.remove(p.pidfd)
		closeNow(p.pidfd)
	}
	p.watches.give(p.watch)
}

// interrupt makes await return, the present one or else the next.
func (p *process) interrupt() {
	p.interrupted.Store(true)
	if p.watch != nil {
		p.watch.wake()
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
		return exit{code: -1} // the program around waits for whatever child
	}
	return exitOf(status, usage)
}

// kill ends a process of which nothing is to be known.
func (p *process) kill() {
	syscall.Kill(p.pid, syscall.SIGKILL)
	p.await(time.Time{})
}

// exitOf takes the usage of the leader and the children that it waited for. A
// new process counts the peak of the program that started it as its own (it
// survives execve), so that only a larger one is known to be the command's.
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
