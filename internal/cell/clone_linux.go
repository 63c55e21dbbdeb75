//go:build amd64 || arm64

package cell

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// clone starts a process by the system call trap (clone or clone3, with CLONE_VM).
// The process makes the calls, of which the last one executes a program, and no
// code of Go runs in it.
//
// It shares this program's memory until then, while this program runs on. So all
// that it reads and writes is kept on the heap, where nothing moves, and it uses no
// stack. (The arguments escape to the heap, because there is no go:noescape.) This
// program does not wait for it, as it would with CLONE_VFORK: a process of the same
// user can stop the new one before it executes a program, and the waiting thread
// would stop the runtime of Go with it.
func clone(trap, a1, a2, a3 uintptr, calls *call, failed *failure) (pid, errno uintptr)

// cloneArgs are the arguments of clone3(2).
type cloneArgs struct {
	flags, pidfd uint64
	_, _         uint64 // child_tid, parent_tid
	exitSignal   uint64
	_, _, _      uint64 // stack, stack_size, tls
	_, _         uint64 // set_tid, set_tid_size
	cgroup       uint64
}

// start starts a process in a cgroup of v2 (-1: this program's own). It sets the
// process's descriptor where pidfd is not nil. The caller keeps the program
// referenced until the process has ended, and then asks for its failure.
func (p *program) start(cgroup int, pidfd *int) (pid int, err error) {
	flags, fd := uintptr(unix.CLONE_VM), int32(-1)
	if pidfd != nil {
		flags |= unix.CLONE_PIDFD
	}
	trap, a1, a2, a3 := uintptr(unix.SYS_CLONE), flags|uintptr(unix.SIGCHLD), uintptr(0), keep(p, &fd)
	if cgroup >= 0 {
		args := &cloneArgs{flags: uint64(flags) | unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(cgroup), pidfd: uint64(a3)}
		trap, a1, a2 = unix.SYS_CLONE3, keep(p, args), unsafe.Sizeof(*args)
	}
	first := defaultSignals(p)
	p.made, p.first, p.failed = append(first, p.calls...), len(first), failure{}
	n, errno := p.cloneBlocked(trap, a1, a2, a3)
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, fmt.Errorf("starting a process: %w", syscall.Errno(errno))
	}
	if pidfd != nil {
		*pidfd = int(fd)
	}
	return int(n), nil
}

// cloneBlocked calls clone while the thread gets no signals: in the new process,
// this program's handlers would run in its memory. It sets the mask to the signals
// that were blocked before.
func (p *program) cloneBlocked(trap, a1, a2, a3 uintptr) (pid, errno uintptr) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all := ^uint64(0)
	setMask(&all, &p.mask)
	pid, errno = clone(trap, a1, a2, a3, &p.made[0], &p.failed)
	setMask(&p.mask, nil)
	return pid, errno
}

func setMask(to, before *uint64) {
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(before)), maskSize, 0, 0)
}

// defaultSignals returns the first calls of a program: no signal has a handler.
func defaultSignals(p *program) []call {
	const last = 64
	calls := make([]call, 0, last+len(p.calls))
	action := keep(p, &[4]uintptr{}) // SIG_DFL, no flags
	for sig := syscall.Signal(1); sig <= last; sig++ {
		if sig != unix.SIGKILL && sig != unix.SIGSTOP {
			calls = append(calls, call{number: unix.SYS_RT_SIGACTION, args: [5]uintptr{uintptr(sig), action, 0, maskSize}})
		}
	}
	return calls
}
