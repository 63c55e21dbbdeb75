//go:build unix

package pipewriter

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// isWritable waits until the file accepts some bytes. If that cannot be found out, or if
// the reader has left, it returns true, and the write returns the error.
func isWritable(file *os.File, wait time.Duration) bool {
	conn, err := file.SyscallConn()
	if err != nil {
		return true
	}
	ready := true
	_ = conn.Control(func(fd uintptr) {
		for deadline := time.Now().Add(wait); ; {
			left := max(time.Until(deadline), 0)
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(left.Milliseconds()))
			if !errors.Is(err, unix.EINTR) { // a signal of the runtime's
				ready = n > 0 || err != nil
				return
			}
		}
	})
	return ready
}
