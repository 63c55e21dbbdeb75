//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// failure is written by a new process: the call that failed, and why.
type failure struct{ index, errno uintptr }

// vfork starts a process by the system call trap (clone or clone3, with CLONE_VM
// and CLONE_VFORK). The process makes the calls, and the last one executes a program.
// No Go code runs in it. Until then it shares this program's memory, and this thread
// waits for it.
//
//go:noescape
func vfork(trap, a1, a2, a3 uintptr, calls *call, failed *failure) (pid, errno uintptr)

// cloneArgs are the arguments of clone3(2).
type cloneArgs struct {
	flags, pidfd uint64
	_            uint64 // child_tid
	parentTID    uint64
	exitSignal   uint64
	_, _, _      uint64 // stack, stack_size, tls
	_, _         uint64 // set_tid, set_tid_size
	cgroup       uint64
}

// start starts a process in a cgroup of v2 (-1: this program's own) and returns
// once it has executed a program. It sets the process's descriptor where pidfd is
// not nil.
func (p *preExec) start(cgroup int, pidfd *int) (pid int, err error) {
	// The kernel writes the descriptor, or else the process's id, before it runs.
	flags, fd := uintptr(unix.CLONE_VM|unix.CLONE_VFORK), int32(-1)
	if pidfd != nil {
		flags |= unix.CLONE_PIDFD
	} else {
		flags |= unix.CLONE_PARENT_SETTID
	}
	trap, a1, a2, a3 := uintptr(unix.SYS_CLONE), flags|uintptr(unix.SIGCHLD), uintptr(0), keep(p, &fd)
	if cgroup >= 0 {
		args := &cloneArgs{flags: uint64(flags) | unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(cgroup), pidfd: uint64(a3), parentTID: uint64(a3)}
		trap, a1, a2 = unix.SYS_CLONE3, keep(p, args), unsafe.Sizeof(*args)
	}
	mask := new(uint64)
	first := defaultSignals(p, mask)
	calls := append(first, p.calls...)
	failed := failure{}
	stopKiller := killLater(&fd, pidfd != nil)
	n, errno := vforkBlocked(mask, trap, a1, a2, a3, &calls[0], &failed)
	killed := stopKiller()
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, fmt.Errorf("starting a process: %w", syscall.Errno(errno))
	}
	if failed.errno == 0 && killed == nil {
		if pidfd != nil {
			*pidfd = int(fd)
		}
		return int(n), nil
	}
	if pidfd != nil {
		closeNow(int(fd))
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		_, err = unix.Wait4(int(n), nil, 0, nil)
	}
	if killed != nil {
		return 0, killed
	}
	return 0, &callError{int(failed.index) - len(first), calls[failed.index].what, syscall.Errno(failed.errno)}
}

// vforkBlocked calls vfork with all signals blocked: in the new process, this program's
// signal handlers would run in the shared memory. mask is set to the signals that were
// blocked before.
func vforkBlocked(mask *uint64, trap, a1, a2, a3 uintptr, calls *call, failed *failure) (pid, errno uintptr) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all := ^uint64(0)
	setMask(&all, mask)
	pid, errno = vforkOutside(trap, a1, a2, a3, calls, failed)
	setMask(mask, nil)
	return pid, errno
}

// vforkOutside tells the scheduler that vfork may take long, as [syscall.Syscall] does.
// If another program stops the new process, only this thread waits for it. Otherwise
// the next garbage collection would wait, and all goroutines with it.
//
//go:nosplit
//go:norace
func vforkOutside(trap, a1, a2, a3 uintptr, calls *call, failed *failure) (pid, errno uintptr) {
	entersyscall()
	pid, errno = vfork(trap, a1, a2, a3, calls, failed)
	exitsyscall()
	return pid, errno
}

// The runtime keeps these functions for programs that make their own system calls, such
// as gVisor. Between the two, no Go code runs, and the goroutine's stack does not move.
//
//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

const maskSize = 8

func setMask(to, before *uint64) {
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(before)), maskSize, 0, 0)
}

// defaultSignals returns the first calls of a new process: they remove all signal
// handlers, and then unblock the signals that were not blocked before.
func defaultSignals(p *preExec, mask *uint64) []call {
	const last = 64
	calls := make([]call, 0, last+len(p.calls))
	action := keep(p, &[4]uintptr{}) // SIG_DFL, no flags
	for sig := syscall.Signal(1); sig <= last; sig++ {
		if sig != unix.SIGKILL && sig != unix.SIGSTOP {
			calls = append(calls, call{number: unix.SYS_RT_SIGACTION, args: [5]uintptr{uintptr(sig), action, 0, maskSize}})
		}
	}
	return append(calls, call{number: unix.SYS_RT_SIGPROCMASK, args: [5]uintptr{unix.SIG_SETMASK, keep(p, mask), 0, maskSize}})
}
