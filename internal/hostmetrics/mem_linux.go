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

// memory is what of /proc/meminfo is used, in KiB.
type memory struct {
	total, free, available, buffers, cached, swapTotal, swapFree uint64
	knowsAvailable                                               bool
}

func (m *mem) collect(context.Context) ([]agent.Metric, error) {
	content, err := m.info.Read()
	if err != nil {
		return nil, fmt.Errorf("measuring memory: %w", err)
	}
	k := parseMemory(content)
	if k.total == 0 {
		return nil, fmt.Errorf("measuring memory: %s has no MemTotal", m.info.Path)
	}
	used := float64(k.total) - float64(k.available)
	p := make(points, 0, 7)
	for _, v := range [...]struct {
		name string
		kib  float64
	}{
		{"mem.total", float64(k.total)},
		{"mem.used", used},
		{"mem.free", float64(k.available)},
		{"mem.buffers", float64(k.buffers)},
		{"mem.cached", float64(k.cached)},
	} {
		p.add(v.name, v.kib/1024, nil)
	}
	p.add("mem.used.percent", 100*used/float64(k.total), nil)
	// Without swap this is 0/0, and left out.
	p.add("mem.swap.used.percent", 100*(float64(k.swapTotal)-float64(k.swapFree))/float64(k.swapTotal), nil)
	return p, nil
}

// parseMemory estimates what is available as free, buffers and cached where
// the kernel, older than 3.14, does not say it.
func parseMemory(content []byte) (m memory) {
	for len(content) > 0 {
		var line []byte
		line, content = procfs.CutLine(content)
		key, value, _ := bytes.Cut(line, []byte{':'})
		w := procfs.NewWords(value)
		switch string(key) {
		case "MemTotal":
			m.total, _ = w.Number()
		case "MemFree":
			m.free, _ = w.Number()
		case "MemAvailable":
			m.available, m.knowsAvailable = w.Number()
		case "Buffers":
			m.buffers, _ = w.Number()
		case "Cached":
			m.cached, _ = w.Number()
		case "SwapTotal":
			m.swapTotal, _ = w.Number()
		case "SwapFree":
			m.swapFree, _ = w.Number()
		}
	}
	if !m.knowsAvailable {
		m.available = min(m.free+m.buffers+m.cached, m.total)
	}
	return m
}
