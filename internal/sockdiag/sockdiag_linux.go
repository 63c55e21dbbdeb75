// Package sockdiag asks the kernel for sockets of this host (sock_diag(7)): which user owns
// a TCP socket, and which sockets listen.
package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ErrNoOwner means that no process of this network namespace has the socket, or that it
// has closed it.
var ErrNoOwner = errors.New("no process of this network namespace has the socket at the other end")

// Sizes and places in the messages of linux/netlink.h and linux/inet_diag.h.
const (
	headerSize = 16 // struct nlmsghdr
	idSize     = 48 // struct inet_diag_sockid
	askSize    = headerSize + 8 + idSize
	idAt       = headerSize + 4 // in an answer, struct inet_diag_msg
	uidAt      = idAt + idSize + 12
	inodeAt    = uidAt + 4
	answerSize = inodeAt + 4
)

// Owner returns the uid, in the caller's user namespace, of the user that made the
// connected TCP socket with these addresses. It returns [ErrNoOwner] if there is none, or
// if its process has closed it. (For a closed socket, some kernels name root and others
// the former owner.) It asks for exactly this socket, however many others there are. It
// may be called concurrently.
func Owner(local, remote netip.AddrPort) (uid int, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("ask the kernel for the owner of a socket: %w", err)
	}
	defer unix.Close(fd)
	asked := question(unmap(local), unmap(remote))
	if err := unix.Sendto(fd, asked, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("ask the kernel for the owner of a socket: %w", err)
	}
	answer := make([]byte, 512)
	n, from, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT) // it has answered within Sendto
	if err != nil {
		return 0, fmt.Errorf("ask the kernel for the owner of a socket: %w", err)
	}
	if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
		return 0, errors.New("ask the kernel for the owner of a socket: somebody else has answered")
	}
	return owner(answer[:n], asked)
}

// question asks for one socket.
func question(local, remote netip.AddrPort) []byte {
	ask := make([]byte, askSize)
	native := binary.NativeEndian
	native.PutUint32(ask, askSize)
	native.PutUint16(ask[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(ask[6:], unix.NLM_F_REQUEST)
	native.PutUint32(ask[8:], 1) // sequence number
	ask[headerSize] = unix.AF_INET
	if local.Addr().Is6() {
		ask[headerSize] = unix.AF_INET6
	}
	ask[headerSize+1] = unix.IPPROTO_TCP
	native.PutUint32(ask[headerSize+4:], ^uint32(0)) // in any state
	id := ask[headerSize+8:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	for i := 40; i < idSize; i++ {
		id[i] = 0xff // INET_DIAG_NOCOOKIE
	}
	return ask
}

// owner reads the answer to a question.
func owner(answer, asked []byte) (uid int, err error) {
	native := binary.NativeEndian
	if len(answer) < headerSize+4 {
		return 0, errors.New("ask the kernel for the owner of a socket: the answer is too short")
	}
	if native.Uint16(answer[4:]) == unix.NLMSG_ERROR {
		errno := unix.Errno(-int32(native.Uint32(answer[headerSize:])))
		if errno == unix.ENOENT {
			return 0, ErrNoOwner
		}
		return 0, fmt.Errorf("ask the kernel for the owner of a socket: %w", errno)
	}
	if len(answer) < answerSize || native.Uint16(answer[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return 0, errors.New("ask the kernel for the owner of a socket: the answer is not one of sock_diag")
	}
	// If there is no such connection, the kernel answers with a socket that listens
	// on the local port.
	state, family := answer[headerSize+1], answer[headerSize]
	if !isOpen(state) || !sameSocket(family, answer[idAt:idAt+idSize], asked[headerSize], asked[headerSize+8:]) {
		return 0, ErrNoOwner
	}
	if native.Uint32(answer[inodeAt:]) == 0 {
		return 0, ErrNoOwner
	}
	return int(native.Uint32(answer[uidAt:])), nil
}

// isOpen reports whether a socket in this state is connected, and its process can
// still read.
func isOpen(state byte) bool {
	return state == unix.BPF_TCP_ESTABLISHED || state == unix.BPF_TCP_FIN_WAIT1 || state == unix.BPF_TCP_FIN_WAIT2
}

// sameSocket compares ports and addresses. The socket of an IPv4 connection may
// be one of IPv6.
func sameSocket(familyA byte, a []byte, familyB byte, b []byte) bool {
	return string(a[:4]) == string(b[:4]) &&
		addressIn(familyA, a[4:20]) == addressIn(familyB, b[4:20]) &&
		addressIn(familyA, a[20:36]) == addressIn(familyB, b[20:36])
}

func addressIn(family byte, field []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(field))
	}
	return netip.AddrFrom16([16]byte(field)).Unmap()
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
