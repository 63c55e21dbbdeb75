package httpapi

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/sockdiag"
)

// unixPeer returns the user that connected to a unix socket (unix(7), SO_PEERCRED). It is
// the user at the time of connect(2), even if another process has the descriptor now.
func unixPeer(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(fd uintptr) {
		var peer *unix.Ucred
		if peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(peer.Uid)
		}
	})
	if failed != nil {
		return 0, failed
	}
	return uid, err
}

// tcpPeer returns the user that made the socket at the other end of a
// connection, if that is on this host.
func tcpPeer(conn *net.TCPConn) (uid int, err error) {
	local, localOK := conn.LocalAddr().(*net.TCPAddr)
	remote, remoteOK := conn.RemoteAddr().(*net.TCPAddr)
	if !localOK || !remoteOK {
		return 0, net.ErrClosed
	}
	uid, err = sockdiag.Owner(remote.AddrPort(), local.AddrPort())
	if err != nil {
		return 0, err
	}
	// A caller may have hung up before its request was read, and another process
	// may have its port by now. While this end of the connection is alive, no
	// other connection has these addresses.
	return uid, checkAlive(conn)
}

// checkAlive returns an error if the connection was reset or has ended.
func checkAlive(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var info *unix.TCPInfo
	failed := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	case info.State != unix.BPF_TCP_ESTABLISHED && info.State != unix.BPF_TCP_CLOSE_WAIT:
		return fmt.Errorf("the caller has left: its connection is in the state %d of tcp_states.h", info.State)
	}
	return nil
}
