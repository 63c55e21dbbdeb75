package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// cpu measures the processors' time (/proc/stat), the load (/proc/loadavg)
// and the number of processes. See proc_stat(5) and proc_loadavg(5).
type cpu struct {
	stat, load procfs.File
	processes  processCounter
	all        cpuTicks
	cores      []cpuTicks
	ready      bool
}

// cpuTicks are the times a processor spent in each state, in the order of
// /proc/stat. guest and guest_nice are left out, being part of user and nice.
// Kernels before 2.6.11 have fewer than all columns.
type cpuTicks struct {
	ticks   [8]uint64
	columns int
}

const idleColumn = 3

func cpuColumns() [8]string {
	return [8]string{"cpu.user", "cpu.nice", "cpu.system", "cpu.idle", "cpu.iowait", "cpu.irq", "cpu.softirq", "cpu.steal"}
}

func newCPU(root string) agent.Collector {
	c := &cpu{stat: procfs.NewFile(root, "proc/stat"), load: procfs.NewFile(root, "proc/loadavg"), processes: newProcessCounter(root)}
	return &rates{read: c.read}
}

func (c *cpu) read() ([]agent.Metric, error) {
	p := make(points, 0, 24+len(c.cores))
	p.add("agent.alive", 1, nil)
	err := errors.Join(c.readStat(&p), c.readLoad(&p), c.processes.read(&p))
	return p, err
}

func (c *cpu) readStat(p *points) error {
	rest, err := c.stat.Read()
	if err != nil {
		return fmt.Errorf("measuring processors: %w", err)
	}
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		switch key := w.Next(); {
		case string(key) == "cpu":
			c.addAll(p, parseTicks(w))
		case bytes.HasPrefix(key, []byte("cpu")):
			c.addCore(p, key[len("cpu"):], parseTicks(w))
		case string(key) == "procs_running":
			addNumber(p, "ps.running.num", w)
		case string(key) == "procs_blocked":
			addNumber(p, "ps.blocked.num", w)
		}
	}
	c.ready = true
	return nil
}

func parseTicks(w procfs.Words) (t cpuTicks) {
	for t.columns < len(t.ticks) {
		n, ok := w.Number()
		if !ok {
			break
		}
		t.ticks[t.columns] = n
		t.columns++
	}
	return t
}

func (c *cpu) addAll(p *points, now cpuTicks) {
	if c.ready {
		percent, ok := now.since(c.all)
		for i, name := range cpuColumns() {
			if ok[i] {
				p.add(name, percent[i], nil)
			}
		}
	}
	c.all = now
}

// addCore reports a processor's idle time. One that was switched on between
// the readings has no earlier ticks, and so no columns, to compare with.
func (c *cpu) addCore(p *points, id []byte, now cpuTicks) {
	n, ok := procfs.ParseNumber(id)
	if !ok || n > 1<<16 {
		return
	}
	for uint64(len(c.cores)) <= n {
		c.cores = append(c.cores, cpuTicks{})
	}
	if percent, ok := now.since(c.cores[n]); ok[idleColumn] {
		p.add("cpu.idle.core", percent[idleColumn], map[string]string{"core": strconv.Itoa(int(n))})
	}
	c.cores[n] = now
}

// since returns the share of each state in the time since before. Some
// kernels let idle and iowait run backwards for a moment: such a state has no
// share, and none in the whole.
func (t cpuTicks) since(before cpuTicks) (percent [8]float64, ok [8]bool) {
	var whole float64
	for i := range min(t.columns, before.columns) {
		if ok[i] = t.ticks[i] >= before.ticks[i]; ok[i] {
			percent[i] = float64(t.ticks[i] - before.ticks[i])
			whole += percent[i]
		}
	}
	for i := range percent {
		ok[i] = ok[i] && whole > 0
		percent[i] *= 100 / whole
	}
	return percent, ok
}

func (c *cpu) readLoad(p *points) error {
	line, err := c.load.Read()
	if err != nil {
		return fmt.Errorf("measuring the load: %w", err)
	}
	w := procfs.NewWords(line)
	for _, name := range [...]string{"cpu.loadavg.1", "cpu.loadavg.5", "cpu.loadavg.15"} {
		load, err := strconv.ParseFloat(string(w.Next()), 64)
		if err != nil {
			return fmt.Errorf("measuring the load: %s: %w", c.load.Path, err)
		}
		p.add(name, load, nil)
	}
	return nil
}

// addNumber reports the next word as it is; where it is no number, nothing.
func addNumber(p *points, name string, w procfs.Words) {
	if n, ok := w.Number(); ok {
		p.add(name, float64(n), nil)
	}
}
