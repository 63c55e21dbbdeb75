package statsd

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// enlarge enlarges the kernel's buffer for packets, as far as this user may.
func enlarge(conn net.Conn) {
	control(conn, func(fd int) {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferSize) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferSize) // the default also works
		}
	})
}

// dropsIndex is SK_MEMINFO_DROPS of linux/sock_diag.h.
const dropsIndex = 8

// dropped returns how many packets the kernel has dropped since the socket was opened. Zero
// before Linux 4.12, which does not say it.
func dropped(conn net.Conn) (drops uint32) {
	control(conn, func(fd int) {
		var info [16]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			drops = info[dropsIndex]
		}
	})
	return drops
}

// control calls f with the descriptor of an open conn.
func control(conn net.Conn, f func(fd int)) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // it fails only if conn is closed
	}
}
