package cell

import (
	"errors"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The functions of this file make system calls that return at once, and do not
// tell Go's scheduler of them, as [unix.Read] and its like do. Telling it wakes
// the runtime's monitor thread (sysmon), which then looks every 20 µs whether
// the call blocks: more work than the call itself.

// readNow reads from a descriptor that does not block. It returns 0 where
// nothing is there.
func readNow(fd int, p []byte) int {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch {
		case errno == 0:
			return int(n)
		case !errors.Is(errno, unix.EINTR):
			return 0
		}
	}
}

// readAgain reads a short file of the kernel from its beginning.
func readAgain(fd int, p []byte) ([]byte, error) {
	// An offset of 0 is 0 in each register that an architecture takes it in.
	n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return p[:n], nil
}

// fcntlNow sets a flag or attribute of a descriptor.
func fcntlNow(fd, cmd, arg int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(arg))
	return errorOf(errno)
}

// closeNow closes what needs nothing to be written: a pipe's or process's
// descriptor.
func closeNow(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// closeOnExecNow sets all descriptors from first on to be closed on exec, where
// the kernel can (Linux 5.11).
func closeOnExecNow(first int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE_RANGE, uintptr(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	return errorOf(errno)
}

// waitNow waits for a child if it has ended; the pid is 0 where it has not.
func waitNow(child int, usage *unix.Rusage) (pid int, status unix.WaitStatus, err error) {
	var code int32
	n, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(child), uintptr(unsafe.Pointer(&code)), unix.WNOHANG, uintptr(unsafe.Pointer(usage)), 0, 0)
	return int(n), unix.WaitStatus(code), errorOf(errno)
}

// epollNow adds a descriptor, to become readable, to an epoll instance, or
// removes it.
func epollNow(epoll, operation, fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(operation), uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errorOf(errno)
}

func errorOf(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
