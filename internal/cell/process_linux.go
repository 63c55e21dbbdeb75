package cell

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is the leader of a run. Unlike an [os.Process] it is waited for
// without occupying a thread, so that hundreds of plugins may run at a time.
type process struct {
	pid   int
	pidfd int // -1 before Linux 5.4
}

func startProcess(l launch) (*process, error) {
	p := &process{pidfd: -1}
	l.sys.PidFD = &p.pidfd
	files := make([]uintptr, len(l.files))
	for i, f := range l.files {
		files[i] = f.Fd()
	}
	var err error
	p.pid, _, err = syscall.StartProcess(l.path, l.argv, &syscall.ProcAttr{Dir: l.dir, Env: l.env, Files: files, Sys: l.sys})
	if err != nil {
		return nil, fmt.Errorf("executing %s: %w", l.path, err)
	}
	return p, nil
}

// wait returns when the process has ended. It is called once.
func (p *process) wait() exit {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	p.awaitEnd()
	for {
		_, err := syscall.Wait4(p.pid, &status, 0, &usage)
		if err == nil {
			return exitOf(status, usage)
		}
		if !errors.Is(err, syscall.EINTR) {
			return exit{code: -1} // the program around waits for whatever child
		}
	}
}

// awaitEnd returns when the process can be waited for, or when that cannot be
// known.
func (p *process) awaitEnd() {
	if p.pidfd < 0 || unix.SetNonblock(p.pidfd, true) != nil {
		return
	}
	file := os.NewFile(uintptr(p.pidfd), "pidfd")
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return
	}
	conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
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

// makePipe is [os.Pipe] with an end for the command that is blocking and
// unknown to the poller, as commands expect it.
func makePipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "|0"), os.NewFile(uintptr(fds[1]), "|1"), nil
}
