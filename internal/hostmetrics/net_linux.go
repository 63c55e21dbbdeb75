package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// speedEvery is how often the speed of an interface is read. Some drivers ask
// the hardware, and hold the kernel's network lock meanwhile.
const speedEvery = time.Minute

// network measures interfaces (/proc/net/dev, /sys/class/net) and sockets.
type network struct {
	dev        procfs.File
	class      string
	prefixes   []string
	names      filter
	sockets    sockets
	detail     bool
	clock      stopwatch
	interfaces []*netInterface
	round      int
}

type netInterface struct {
	name        string
	virtual     bool
	leftOut     bool // by the filter
	now, before netCounters
	// round of the last reading, and the number of readings.
	round, readings int
	mbits           float64
	mbitsAt         time.Time
}

type netCounters struct {
	inBytes, inErrors, inDropped    uint64
	outBytes, outErrors, outDropped uint64
	inPackets, outPackets           uint64
	inMulticast                     uint64
}

func newNetwork(c Config) agent.Collector {
	n := &network{
		dev:      procfs.NewFile(c.Root, "proc/net/dev"),
		class:    filepath.Join(c.Root, "sys/class/net"),
		prefixes: c.InterfacePrefixes,
		names:    c.interfaces(),
		sockets:  newSockets(c),
		detail:   c.detailed("NET"),
	}
	return &rates{read: n.read}
}

func (n *network) read() ([]agent.Metric, error) {
	p := make(points, 0, 8+9*len(n.interfaces))
	err := errors.Join(n.readInterfaces(&p), n.sockets.read(&p))
	return p, err
}

func (n *network) readInterfaces(p *points) error {
	content, err := n.dev.Read()
	if err != nil {
		return fmt.Errorf("measuring network interfaces: %w", err)
	}
	seconds := n.clock.lap()
	n.update(content)
	n.addInterfaces(p, seconds)
	return nil
}

// update reads /proc/net/dev into n.interfaces. It removes an interface that is
// gone, so that it starts anew if it comes back.
func (n *network) update(rest []byte) {
	n.round++
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		// In old kernels the counters follow the colon without a blank.
		colon := bytes.LastIndexByte(line, ':')
		if colon < 0 {
			continue
		}
		if now, ok := parseNet(procfs.NewWords(line[colon+1:])); ok {
			i := n.find(bytes.TrimSpace(line[:colon]))
			i.before, i.now, i.round = i.now, now, n.round
			i.readings++
		}
	}
	kept := n.interfaces[:0]
	for _, i := range n.interfaces {
		if i.round == n.round {
			kept = append(kept, i)
		}
	}
	clear(n.interfaces[len(kept):])
	n.interfaces = kept
}

func (n *network) find(name []byte) *netInterface {
	for _, i := range n.interfaces {
		if i.name == string(name) {
			return i
		}
	}
	i := &netInterface{name: string(name), leftOut: !n.names.allows(string(name))}
	i.virtual = n.isVirtual(i.name)
	n.interfaces = append(n.interfaces, i)
	return i
}

// isVirtual reports whether the interface has no hardware: lo, bridges, bonds,
// VLANs, tunnels, and the pairs of containers.
func (n *network) isVirtual(name string) bool {
	target, err := os.Readlink(filepath.Join(n.class, name))
	if err != nil {
		return name == "lo"
	}
	return strings.Contains(target, "/virtual/")
}

func parseNet(w procfs.Words) (c netCounters, ok bool) {
	var column [12]uint64
	for i := range column {
		if column[i], ok = w.Number(); !ok {
			return c, false
		}
	}
	return netCounters{
		inBytes: column[0], inErrors: column[2], inDropped: column[3],
		inPackets: column[1], inMulticast: column[7], outPackets: column[9],
		outBytes: column[8], outErrors: column[10], outDropped: column[11],
	}, true
}

// measured reports whether the agent is to measure an interface. physical is
// true if the host has any that is not virtual.
func (n *network) measured(i *netInterface, physical bool) bool {
	if i.leftOut || len(n.prefixes) == 0 && len(n.names.include) > 0 {
		return !i.leftOut
	}
	if len(n.prefixes) == 0 {
		return !i.virtual || !physical && i.name != "lo"
	}
	for _, prefix := range n.prefixes {
		if strings.HasPrefix(i.name, prefix) {
			return true
		}
	}
	return false
}

func (n *network) addInterfaces(p *points, seconds float64) {
	physical := false
	for _, i := range n.interfaces {
		physical = physical || !i.virtual
	}
	for _, i := range n.interfaces {
		if n.measured(i, physical) {
			n.readSpeed(i)
			i.addTo(p, seconds)
			if n.detail {
				n.addDetail(p, i, seconds)
			}
		}
	}
}

func (i *netInterface) addTo(p *points, seconds float64) {
	tags := map[string]string{"interface": i.name}
	if i.mbits > 0 {
		p.add("net.speed", i.mbits, tags)
	}
	if i.readings < 2 {
		return
	}
	before, now := i.before, i.now
	p.addRate("net.in", before.inBytes, now.inBytes, seconds, 8, tags)
	p.addRate("net.out", before.outBytes, now.outBytes, seconds, 8, tags)
	p.addRate("net.in.dropped", before.inDropped, now.inDropped, seconds, 1, tags)
	p.addRate("net.out.dropped", before.outDropped, now.outDropped, seconds, 1, tags)
	p.addRate("net.in.errors", before.inErrors, now.inErrors, seconds, 1, tags)
	p.addRate("net.out.errors", before.outErrors, now.outErrors, seconds, 1, tags)
	if i.mbits > 0 {
		percent := 100 * 8 / (i.mbits * 1e6)
		p.addRate("net.in.percent", before.inBytes, now.inBytes, seconds, percent, tags)
		p.addRate("net.out.percent", before.outBytes, now.outBytes, seconds, percent, tags)
	}
}

// addDetail adds packets, and whether the link has a signal, which cannot be read of an
// interface that is down.
func (n *network) addDetail(p *points, i *netInterface, seconds float64) {
	tags := map[string]string{"interface": i.name}
	if carrier, ok := readInt(filepath.Join(n.class, i.name, "carrier")); ok {
		p.add("net.carrier", float64(carrier), tags)
	}
	if i.readings < 2 {
		return
	}
	p.addRate("net.in.packets", i.before.inPackets, i.now.inPackets, seconds, 1, tags)
	p.addRate("net.out.packets", i.before.outPackets, i.now.outPackets, seconds, 1, tags)
	p.addRate("net.in.multicast", i.before.inMulticast, i.now.inMulticast, seconds, 1, tags)
}

// Speeds that mean "unknown" (SPEED_UNKNOWN, -1): the value of 16-bit drivers,
// and the largest speed that is valid (linux/ethtool.h).
const (
	unknownSpeed16 = 1<<16 - 1
	largestSpeed   = 1<<31 - 1
)

// readSpeed reads the speed in Mbit/s. It is unknown (-1 in various forms, 0,
// or an error) if the link is down or the interface has no speed.
func (n *network) readSpeed(i *netInterface) {
	if !i.mbitsAt.IsZero() && time.Since(i.mbitsAt) < speedEvery {
		return
	}
	i.mbits, i.mbitsAt = 0, time.Now()
	speed := procfs.File{Path: filepath.Join(n.class, i.name, "speed")}
	if content, err := speed.Read(); err == nil {
		w := procfs.NewWords(content)
		if mbits, _ := w.Number(); mbits <= largestSpeed && mbits != unknownSpeed16 {
			i.mbits = float64(mbits)
		}
	}
}
