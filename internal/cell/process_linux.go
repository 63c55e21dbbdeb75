package cell

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is the leader of a run. Unlike an [os.Process] it is waited for
// without occupying a thread or a goroutine, so that hundreds of plugins may
// run at a time and a short run costs one wake-up.
type process struct {
	pid         int
	end         *os.File        // its pidfd; nil before Linux 5.4
	conn        syscall.RawConn // of end
	interrupted atomic.Bool
	background  *background // in place of end
}

func startProcess(l launch) (*process, error) {
	files := make([]uintptr, len(l.files))
	for i, f := range l.files {
		files[i] = f.Fd()
	}
	pidfd := -1
	l.sys.PidFD = &pidfd
	leaders.Lock()
	defer leaders.Unlock()
	pid, _, err := syscall.StartProcess(l.path, l.argv, &syscall.ProcAttr{Dir: l.dir, Env: l.env, Files: files, Sys: l.sys})
	if err != nil {
		return nil, fmt.Errorf("executing %s: %w", l.path, err)
	}
	leaders.add(pid)
	p := &process{pid: pid}
	if pidfd >= 0 {
		p.watch(pidfd)
	}
	if p.end == nil {
		p.background = waitInBackground(p.waitLong)
	}
	return p, nil
}

// watch makes the Go runtime wait for the pidfd.
func (p *process) watch(pidfd int) {
	if _, err := unix.FcntlInt(uintptr(pidfd), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		unix.Close(pidfd)
		return
	}
	end := os.NewFile(uintptr(pidfd), "pidfd")
	conn, err := end.SyscallConn()
	if err == nil {
		err = end.SetReadDeadline(time.Time{}) // fails where the runtime cannot wait for it
	}
	if err != nil {
		end.Close()
		return
	}
	p.end, p.conn = end, conn
}

// await returns the process's exit once it has ended. It returns false at the
// deadline (zero: never) and after an interrupt, and may do so earlier. It is
// not called again once it has returned true.
func (p *process) await(deadline time.Time) (e exit, ended bool) {
	if p.background != nil {
		return p.background.await(deadline)
	}
	p.end.SetReadDeadline(deadline)
	if p.interrupted.Swap(false) {
		return p.reap()
	}
	// The error says that the deadline is over, which what is returned says too.
	p.conn.Read(func(uintptr) bool {
		e, ended = p.reap()
		return ended
	})
	if ended {
		p.end.Close()
	}
	return e, ended
}

// interrupt makes await return, the present one or else the next.
func (p *process) interrupt() {
	if p.background != nil {
		p.background.interrupt()
		return
	}
	p.interrupted.Store(true)
	p.end.SetReadDeadline(time.Unix(1, 0))
}

// reap waits for the process if it has ended.
func (p *process) reap() (exit, bool) { return p.wait(unix.WNOHANG) }

func (p *process) waitLong() exit {
	e, _ := p.wait(0)
	return e
}

func (p *process) wait(flags int) (exit, bool) {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		pid, err := syscall.Wait4(p.pid, &status, flags, &usage)
		switch {
		case err == nil && pid == 0:
			return exit{}, false
		case err == nil:
			leaders.remove(p.pid)
			return exitOf(status, usage), true
		case !errors.Is(err, syscall.EINTR):
			leaders.remove(p.pid)
			return exit{code: -1}, true // the program around waits for whatever child
		}
	}
}

// kill ends a process of which nothing is to be known.
func (p *process) kill() {
	syscall.Kill(p.pid, syscall.SIGKILL)
	p.await(time.Time{})
}

// exitOf takes the usage of the leader and the children that it waited for. A
// new process counts the peak of the program that started it as its own (it
// survives execve), so that only a larger one is known to be the command's.
func exitOf(status syscall.WaitStatus, theirs syscall.Rusage) exit {
	e := exit{code: status.ExitStatus()}
	if status.Signaled() {
		e.signal = status.Signal()
	}
	e.usage.CPU = time.Duration(theirs.Utime.Nano() + theirs.Stime.Nano())
	var ours syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ours); err == nil && theirs.Maxrss > ours.Maxrss {
		e.usage.PeakMemory = int64(theirs.Maxrss) * 1024
	}
	return e
}

// quick is how long a run may take to be a short one: its output stays in the
// pipes until its end, which so is the only thing that is waited for.
const quick = 50 * time.Millisecond

// source is the reading end of a pipe.
type source int

// makePipe returns a reading end that does not block, and one for the command
// that does, as commands expect it.
func makePipe() (source, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		return -1, nil, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return source(fds[0]), os.NewFile(uintptr(fds[1]), "|1"), nil
}

// readNow reads what is there. It returns 0 where that is nothing.
func (s source) readNow(p []byte) int {
	for {
		n, err := unix.Read(int(s), p)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return max(n, 0)
		}
	}
}

func (s source) close() { unix.Close(int(s)) }

// file makes the source one that the Go runtime waits for, and is called in
// place of close.
func (s source) file() *os.File { return os.NewFile(uintptr(s), "|0") }
