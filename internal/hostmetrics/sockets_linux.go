package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lodastack/agent/internal/procfs"
)

// sockets measures the host's sockets and TCP's counters. TCP over IPv6 is
// added to that over IPv4. A kernel without IPv6 has no sockstat6.
type sockets struct {
	sockstat, sockstat6, netstat, snmp procfs.File
	clock                              stopwatch
	before                             tcpCounters
}

// tcpCounters are the counters that the kernel has.
type tcpCounters struct {
	listenDrops, retransmits       uint64
	hasListenDrops, hasRetransmits bool
}

func newSockets(root string) sockets {
	return sockets{
		sockstat:  procfs.NewFile(root, "proc/net/sockstat"),
		sockstat6: procfs.NewFile(root, "proc/net/sockstat6"),
		netstat:   procfs.NewFile(root, "proc/net/netstat"),
		snmp:      procfs.NewFile(root, "proc/net/snmp"),
	}
}

func (s *sockets) read(p *points) error {
	return errors.Join(s.readSockets(p), s.readTCP(p))
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

func (s *sockets) readTCP(p *points) error {
	var now tcpCounters
	netstat, netstatErr := s.netstat.Read()
	if netstatErr == nil {
		now.listenDrops, now.hasListenDrops = columned(netstat, "TcpExt:", "ListenDrops")
	}
	snmp, snmpErr := s.snmp.Read()
	if snmpErr == nil {
		now.retransmits, now.hasRetransmits = columned(snmp, "Tcp:", "RetransSegs")
	}
	seconds := s.clock.lap()
	if now.hasListenDrops && s.before.hasListenDrops {
		p.addRate("net.tcp.listendrops", s.before.listenDrops, now.listenDrops, seconds, 1, nil)
	}
	if now.hasRetransmits && s.before.hasRetransmits {
		p.addRate("net.tcp.retrans", s.before.retransmits, now.retransmits, seconds, 1, nil)
	}
	s.before = now
	if err := errors.Join(netstatErr, snmpErr); err != nil {
		return fmt.Errorf("measuring TCP: %w", err)
	}
	return nil
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
