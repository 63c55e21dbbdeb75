package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lodastack/agent/internal/procfs"
)

// sockets measures the host's sockets, and the counters of TCP and UDP. TCP over IPv6 is
// added to that over IPv4. A kernel without IPv6 has no sockstat6.
type sockets struct {
	sockstat, sockstat6, netstat, snmp procfs.File
	conntrackUsed, conntrackMax        procfs.File
	detail                             bool
	rates                              counterRates
	now                                []counter // of this round
}

func newSockets(c Config) sockets {
	return sockets{
		sockstat:      procfs.NewFile(c.Root, "proc/net/sockstat"),
		sockstat6:     procfs.NewFile(c.Root, "proc/net/sockstat6"),
		netstat:       procfs.NewFile(c.Root, "proc/net/netstat"),
		snmp:          procfs.NewFile(c.Root, "proc/net/snmp"),
		conntrackUsed: procfs.NewFile(c.Root, "proc/sys/net/netfilter/nf_conntrack_count"),
		conntrackMax:  procfs.NewFile(c.Root, "proc/sys/net/netfilter/nf_conntrack_max"),
		detail:        c.detailed("NET"),
	}
}

func (s *sockets) read(p *points) error {
	if s.detail {
		addFile(p, "net.conntrack.used", &s.conntrackUsed)
		addFile(p, "net.conntrack.max", &s.conntrackMax)
	}
	return errors.Join(s.readSockets(p), s.readCounters(p))
}

// addFile adds the number that a file holds. Without the file, nothing counts it.
func addFile(p *points, name string, file *procfs.File) {
	if content, err := file.Read(); err == nil {
		addNumber(p, name, procfs.NewWords(content))
	}
}

func (s *sockets) readSockets(p *points) error {
	content, err := s.sockstat.Read()
	if err != nil {
		return fmt.Errorf("measuring sockets: %w", err)
	}
	if used, ok := keyed(content, "sockets:", "used"); ok {
		p.add("net.sockets.used", float64(used), nil)
	}
	if timewait, ok := keyed(content, "TCP:", "tw"); ok {
		p.add("net.tcp.timewait", float64(timewait), nil)
	}
	inuse, ok := keyed(content, "TCP:", "inuse")
	if !ok {
		return nil
	}
	content6, err := s.sockstat6.Read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("measuring sockets: %w", err)
	}
	inuse6, _ := keyed(content6, "TCP6:", "inuse")
	p.add("net.tcp.inuse", float64(inuse+inuse6), nil)
	return nil
}

// keyed returns the number after key in the line that begins with head.
func keyed(content []byte, head, key string) (uint64, bool) {
	for len(content) > 0 {
		var line []byte
		line, content = procfs.CutLine(content)
		w := procfs.NewWords(line)
		if string(w.Next()) != head {
			continue
		}
		for w.More() {
			if string(w.Next()) == key {
				return w.Number()
			}
			w.Next()
		}
	}
	return 0, false
}

func (s *sockets) readCounters(p *points) error {
	s.now = s.now[:0]
	netstat, netstatErr := s.netstat.Read()
	snmp, snmpErr := s.snmp.Read()
	s.count("net.tcp.listendrops", netstat, "TcpExt:", "ListenDrops")
	s.count("net.tcp.retrans", snmp, "Tcp:", "RetransSegs")
	if s.detail {
		s.count("net.tcp.listenoverflows", netstat, "TcpExt:", "ListenOverflows")
		s.count("net.udp.in.errors", snmp, "Udp:", "InErrors")
		s.count("net.udp.in.buffererrors", snmp, "Udp:", "RcvbufErrors")
		s.count("net.udp.out.buffererrors", snmp, "Udp:", "SndbufErrors")
		if established, ok := columned(snmp, "Tcp:", "CurrEstab"); ok {
			p.add("net.tcp.established", float64(established), nil)
		}
	}
	s.rates.add(p, s.now)
	if err := errors.Join(netstatErr, snmpErr); err != nil {
		return fmt.Errorf("measuring TCP and UDP: %w", err)
	}
	return nil
}

// count adds a number of a table to the counters of the round, if the kernel has it.
func (s *sockets) count(name string, table []byte, head, column string) {
	if n, ok := columned(table, head, column); ok {
		s.now = append(s.now, counter{name, n, 1})
	}
}

// columned returns a number from a table of two lines that begin with head. The
// first line has the names of the columns.
func columned(content []byte, head, column string) (uint64, bool) {
	for len(content) > 0 {
		var names, values []byte
		names, content = procfs.CutLine(content)
		if !bytes.HasPrefix(names, []byte(head)) {
			continue
		}
		values, _ = procfs.CutLine(content)
		if !bytes.HasPrefix(values, []byte(head)) {
			return 0, false
		}
		n, v := procfs.NewWords(names), procfs.NewWords(values)
		for n.More() {
			value := v.Next()
			if string(n.Next()) == column {
				return procfs.ParseNumber(value)
			}
		}
		return 0, false
	}
	return 0, false
}
