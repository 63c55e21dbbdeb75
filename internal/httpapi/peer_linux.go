package httpapi

import (
	"net"
	"syscall"
)

// peerUID returns the user that connected to a unix socket (unix(7),
// SO_PEERCRED).
func peerUID(conn *net.UnixConn) (uid int, known bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		peer, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		if err == nil {
			uid, known = int(peer.Uid), true
		}
	})
	return uid, known && err == nil
}
