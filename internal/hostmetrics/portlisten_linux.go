package hostmetrics

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/procfs"
	"github.com/lodastack/agent/internal/sockdiag"
)

// lookUp looks for ports among the sockets of the host: TCP sockets that listen, and UDP
// sockets. A datagram to a port would prove nothing, because most services do not answer what
// they do not understand.
func (p ports) lookUp(attempts []attempt) map[attempt]outcome {
	outcomes := make(map[attempt]outcome, len(attempts))
	found := make(map[bool]listeners) // by whether it is UDP
	for _, a := range attempts {
		if _, listed := found[a.udp]; !listed {
			found[a.udp] = p.listeners(a.udp)
		}
		o := outcome{err: found[a.udp].err}
		if o.err == nil && found[a.udp].take(a.at) {
			o.value = 1
		}
		outcomes[a] = o
	}
	return outcomes
}

// listeners are sockets by their port.
type listeners struct {
	byPort map[uint16][]sockdiag.Listener
	err    error // why they are not known
}

// take reports whether a socket takes what is sent to an address: one that is bound to it,
// or to all addresses. One of all IPv6 addresses takes IPv4, too, unless it was told not to.
// Without an address, any socket of the port does.
func (l listeners) take(at netip.AddrPort) bool {
	return slices.ContainsFunc(l.byPort[at.Port()], func(s sockdiag.Listener) bool {
		switch s.At.Addr() {
		case netip.IPv4Unspecified():
			return !at.Addr().Is6()
		case netip.IPv6Unspecified():
			return !at.Addr().Is4() || !s.Only6
		}
		return !at.Addr().IsValid() || s.At.Addr() == at.Addr()
	})
}

// listeners asks the kernel. It reads the tables of /proc instead if the kernel does not
// answer, and where another root directory is measured. They do not show whether a socket of
// IPv6 takes IPv4, and have all connections, too.
func (p ports) listeners(udp bool) listeners {
	ask, protocol, state := sockdiag.ListeningTCP, "tcp", "0A" // TCP_LISTEN
	if udp {
		ask, protocol, state = sockdiag.UnconnectedUDP, "udp", "07" // TCP_CLOSE
	}
	if p.root == "/" {
		if all, err := ask(); err == nil {
			return byPort(all)
		}
	}
	var all []sockdiag.Listener
	for _, name := range [...]string{protocol, protocol + "6"} {
		file := procfs.NewFile(p.root, "proc/net/"+name)
		content, err := file.Read()
		if err != nil && !(name != protocol && errors.Is(err, fs.ErrNotExist)) { // a kernel without IPv6
			return listeners{err: fmt.Errorf("looking for %s sockets: %w", strings.ToUpper(protocol), err)}
		}
		all = append(all, parseSocketTable(content, state)...)
	}
	return byPort(all)
}

func byPort(all []sockdiag.Listener) listeners {
	l := listeners{byPort: make(map[uint16][]sockdiag.Listener)}
	for _, s := range all {
		l.byPort[s.At.Port()] = append(l.byPort[s.At.Port()], s)
	}
	return l
}

// parseSocketTable returns the sockets of a state in /proc/net/tcp or udp (proc_net_tcp(5)).
// It skips lines in a wrong format, and the head.
func parseSocketTable(content []byte, state string) (all []sockdiag.Listener) {
	for len(content) > 0 {
		var line []byte
		line, content = procfs.CutLine(content)
		w := procfs.NewWords(line)
		w.Skip(1)
		own := string(w.Next())
		w.Skip(1)
		if string(w.Next()) != state {
			continue
		}
		if at, ok := parseSocketAddress(own); ok {
			all = append(all, sockdiag.Listener{At: at})
		}
	}
	return all
}

// parseSocketAddress parses 0100007F:0035, which is 127.0.0.1:53: the address is in words of
// 32 bits in the byte order of the host, in hexadecimal digits.
func parseSocketAddress(text string) (at netip.AddrPort, ok bool) {
	words, port, _ := strings.Cut(text, ":")
	address, err := hex.DecodeString(words)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil {
		return at, false
	}
	for i := 0; i+4 <= len(address); i += 4 {
		binary.NativeEndian.PutUint32(address[i:], binary.BigEndian.Uint32(address[i:]))
	}
	parsed, ok := netip.AddrFromSlice(address)
	return netip.AddrPortFrom(parsed.Unmap(), uint16(number)), ok
}
