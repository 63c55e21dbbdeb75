package sandbox

import (
	"errors"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The functions of this file make system calls that do not block. They bypass
// Go's scheduler, which [unix.Read] and others tell of each call. That would
// wake the runtime's monitor thread (sysmon), which then checks every 20 µs
// whether the call blocks: more work than the call itself.

// readNow reads from a non-blocking descriptor. It returns 0 if there is
// nothing to read.
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
	// Some architectures pass the offset in two registers. It is 0 in each.
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

// closeNow closes a descriptor that has nothing left to write: of a pipe or a
// process.
func closeNow(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// closeOnExecNow sets all descriptors from first on to close-on-exec (Linux
// 5.11 and newer).
func closeOnExecNow(first int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE_RANGE, uintptr(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	return errorOf(errno)
}

// waitNow reaps a child if it has ended. The returned pid is 0 if it has not.
func waitNow(child int, usage *unix.Rusage) (pid int, status unix.WaitStatus, err error) {
	var code int32
	n, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(child), uintptr(unsafe.Pointer(&code)), unix.WNOHANG, uintptr(unsafe.Pointer(usage)), 0, 0)
	return int(n), unix.WaitStatus(code), errorOf(errno)
}

// epollNow adds a descriptor to an epoll instance, to wait until it is
// readable, or removes it.
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
