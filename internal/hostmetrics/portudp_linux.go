package hostmetrics

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/procfs"
)

// findUDP looks up UDP ports among the sockets of the host (/proc/net/udp, see
// proc_net_udp(5)). A datagram to a port proves nothing: most services do not answer what
// they do not understand.
func (p ports) findUDP(attempts []attempt) map[attempt]outcome {
	bound, err := p.boundUDP()
	outcomes := make(map[attempt]outcome, len(attempts))
	for _, a := range attempts {
		o := outcome{err: err}
		if err == nil && isBound(bound, a.at) {
			o.value = 1
		}
		outcomes[a] = o
	}
	return outcomes
}

// isBound reports whether a socket takes what is sent to an address: one that is bound to it,
// or to all addresses. One of all IPv6 addresses takes IPv4, too, unless it was told not to,
// which /proc does not show.
func isBound(bound map[netip.AddrPort]bool, at netip.AddrPort) bool {
	return bound[at] || bound[netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port())] ||
		at.Addr().Is4() && bound[netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())]
}

// boundUDP returns the local addresses of all UDP sockets. A kernel without IPv6 has no udp6.
func (p ports) boundUDP() (map[netip.AddrPort]bool, error) {
	bound := make(map[netip.AddrPort]bool)
	for _, name := range [...]string{"proc/net/udp", "proc/net/udp6"} {
		file := procfs.NewFile(p.root, name)
		content, err := file.Read()
		if err != nil && !(name == "proc/net/udp6" && errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("looking for UDP sockets: %w", err)
		}
		for len(content) > 0 {
			var line []byte
			line, content = procfs.CutLine(content)
			w := procfs.NewWords(line)
			w.Skip(1)
			if at, ok := parseSocketAddress(string(w.Next())); ok {
				bound[at] = true
			}
		}
	}
	return bound, nil
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
