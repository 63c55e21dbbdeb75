package hostmetrics

import (
	"bytes"
	"context"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// mem measures the memory (/proc/meminfo, see proc_meminfo(5)).
type mem struct{ info procfs.File }

func newMem(root string) agent.Collector {
	m := &mem{info: procfs.NewFile(root, "proc/meminfo")}
	return agent.CollectorFunc(m.collect)
}

// amount is a line of /proc/meminfo in KiB. It may be missing.
type amount struct {
	kib   uint64
	known bool
}

// within returns the amount, or a missing one if it is larger than the whole.
func (a amount) within(whole amount) amount {
	a.known = a.known && whole.known && a.kib <= whole.kib
	return a
}

// memory has the used lines of /proc/meminfo.
type memory struct {
	total, free, available, buffers, cached, shmem, swapTotal, swapFree amount
}

func (m *mem) collect(context.Context) ([]agent.Metric, error) {
	content, err := m.info.Read()
	if err != nil {
		return nil, fmt.Errorf("measuring memory: %w", err)
	}
	k := parseMemory(content)
	if k.total.kib == 0 {
		return nil, fmt.Errorf("measuring memory: %s has no MemTotal", m.info.Path)
	}
	p := make(points, 0, 7)
	p.addAmount("mem.total", k.total)
	// Some containers show their own limit as the total, but the host's other
	// figures (btop#473).
	available := k.estimateAvailable().within(k.total)
	if available.known {
		p.addAmount("mem.used", amount{k.total.kib - available.kib, true})
	}
	p.addAmount("mem.free", available)
	p.addAmount("mem.buffers", k.buffers.within(k.total))
	p.addAmount("mem.cached", k.cached.within(k.total))
	p.addUsedPercent("mem.used.percent", available, k.total)
	// More swap may be free than exists (lxcfs#412).
	p.addUsedPercent("mem.swap.used.percent", k.swapFree.within(k.swapTotal), k.swapTotal)
	return p, nil
}

// addAmount adds an amount in MiB.
func (p *points) addAmount(name string, a amount) {
	if a.known {
		p.add(name, float64(a.kib)/1024, nil)
	}
}

// addUsedPercent adds the share of whole that is not free. Without swap it is
// 0/0, and left out.
func (p *points) addUsedPercent(name string, free, whole amount) {
	if free.known {
		p.add(name, 100*float64(whole.kib-free.kib)/float64(whole.kib), nil)
	}
}

// estimateAvailable returns MemAvailable. Kernels before 3.14 lack it. For
// those it returns free, buffers and cache without shared memory, which counts
// as cache but cannot be dropped.
func (m memory) estimateAvailable() amount {
	if m.available.known {
		return m.available
	}
	if !m.free.known || !m.buffers.known || !m.cached.known || m.shmem.kib > m.cached.kib {
		return amount{}
	}
	return amount{m.free.kib + m.buffers.kib + m.cached.kib - m.shmem.kib, true}
}

func parseMemory(content []byte) (m memory) {
	for len(content) > 0 {
		var line []byte
		line, content = procfs.CutLine(content)
		key, value, _ := bytes.Cut(line, []byte{':'})
		if into := m.field(key); into != nil {
			w := procfs.NewWords(value)
			into.kib, into.known = w.Number()
		}
	}
	return m
}

// field returns nil for a key that is not used.
func (m *memory) field(key []byte) *amount {
	switch string(key) {
	case "MemTotal":
		return &m.total
	case "MemFree":
		return &m.free
	case "MemAvailable":
		return &m.available
	case "Buffers":
		return &m.buffers
	case "Cached":
		return &m.cached
	case "Shmem":
		return &m.shmem
	case "SwapTotal":
		return &m.swapTotal
	case "SwapFree":
		return &m.swapFree
	}
	return nil
}
