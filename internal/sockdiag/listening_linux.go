package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Listener is a socket that takes connections or datagrams.
type Listener struct {
	// At is its own address, which may be the unspecified one.
	At netip.AddrPort
	// Only6 is true for a socket of IPv6 that takes no IPv4 (IPV6_V6ONLY).
	Only6 bool
}

const (
	messageSize = 72 // struct inet_diag_msg
	// inetDiagSKV6Only is INET_DIAG_SKV6ONLY, an attribute of listening sockets of IPv6.
	inetDiagSKV6Only = 11
	attributeHeader  = 4 // struct nlattr
)

// ListeningTCP returns the listening TCP sockets of this network namespace. The kernel keeps
// them apart from the connections: it takes no longer if there are many of those.
func ListeningTCP() ([]Listener, error) { return listening(unix.IPPROTO_TCP, unix.BPF_TCP_LISTEN) }

// UnconnectedUDP returns the UDP sockets of this network namespace that have an own address
// and take datagrams from any other.
func UnconnectedUDP() ([]Listener, error) { return listening(unix.IPPROTO_UDP, unix.BPF_TCP_CLOSE) }

// listening returns the sockets in a state. Some kernels load a module for UDP when they are
// first asked; without it the error is ENOENT.
func listening(protocol, state byte) (all []Listener, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for listening sockets: %w", err)
	}
	defer unix.Close(fd)
	for _, family := range [...]byte{unix.AF_INET, unix.AF_INET6} {
		if all, err = dump(fd, family, protocol, state, all); err != nil {
			return nil, fmt.Errorf("ask the kernel for listening sockets: %w", err)
		}
	}
	return all, nil
}

// dump appends the sockets of one family.
func dump(fd int, family, protocol, state byte, all []Listener) ([]Listener, error) {
	ask := make([]byte, askSize)
	native := binary.NativeEndian
	native.PutUint32(ask, askSize)
	native.PutUint16(ask[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	ask[headerSize], ask[headerSize+1] = family, protocol
	native.PutUint32(ask[headerSize+4:], 1<<state)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 32<<10) // the kernel sends no more at a time
	for {
		// The first part has come within Sendto, each further one within Recvfrom.
		n, from, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil {
			return nil, err
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			return nil, errors.New("somebody else has answered")
		}
		var done bool
		if all, done, err = parseDump(buf[:n], all); done || err != nil {
			return all, err
		}
	}
}

// parseDump appends the sockets in one part of an answer. done means that no other follows.
func parseDump(answer []byte, all []Listener) (_ []Listener, done bool, err error) {
	native := binary.NativeEndian
	for len(answer) > 0 {
		if len(answer) < headerSize {
			return all, false, errors.New("the answer is too short")
		}
		length := int(native.Uint32(answer))
		if length < headerSize || length > len(answer) {
			return all, false, errors.New("the answer has a wrong length")
		}
		message := answer[headerSize:length]
		switch native.Uint16(answer[4:]) {
		case unix.NLMSG_DONE:
			return all, true, nil
		case unix.NLMSG_ERROR:
			if len(message) < 4 {
				return all, false, errors.New("the answer is too short")
			}
			return all, false, unix.Errno(-int32(native.Uint32(message)))
		case unix.SOCK_DIAG_BY_FAMILY:
			if len(message) < messageSize {
				return all, false, errors.New("the answer is too short")
			}
			all = append(all, listener(message))
		}
		answer = answer[min(align(length), len(answer)):]
	}
	return all, false, nil
}

func listener(message []byte) Listener {
	const portAt, addressAt = 4, 8
	address := addressIn(message[0], message[addressAt:addressAt+16])
	l := Listener{At: netip.AddrPortFrom(address, binary.BigEndian.Uint16(message[portAt:]))}
	native := binary.NativeEndian
	for rest := message[messageSize:]; len(rest) > attributeHeader; {
		length := int(native.Uint16(rest))
		if length <= attributeHeader || length > len(rest) {
			break
		}
		if native.Uint16(rest[2:]) == inetDiagSKV6Only {
			l.Only6 = rest[attributeHeader] != 0
		}
		rest = rest[min(align(length), len(rest)):]
	}
	return l
}

// align rounds up to 4 bytes, at which messages and attributes begin.
func align(length int) int { return (length + 3) &^ 3 }
