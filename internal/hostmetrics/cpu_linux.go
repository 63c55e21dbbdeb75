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
	names      filter // of cores
	processes  processCounter
	round      int
	all        cpuReadings
	cores      []cpuReadings // by number; processors that are off are not in it
}

// cpuReadings are the last two readings of a processor, or of all together.
type cpuReadings struct {
	before, now cpuTicks
	seen        int // the round of now
	leftOut     bool
}

// cpuTicks are the times that a processor spent in each state, in the order of
// /proc/stat. guest and guest_nice are left out because they are part of user
// and nice. Kernels before 2.6.11 have fewer columns.
type cpuTicks struct {
	ticks   [8]uint64
	columns int
}

const (
	idleColumn = 3
	// smallFall is how much a counter may go backwards for a moment, in ticks.
	smallFall = 3 * procfs.TicksPerSecond
	mostCores = 1 << 16
)

func cpuColumns() [8]string {
	return [8]string{"cpu.user", "cpu.nice", "cpu.system", "cpu.idle", "cpu.iowait", "cpu.irq", "cpu.softirq", "cpu.steal"}
}

func newCPU(c Config) agent.Collector {
	return &rates{read: (&cpu{
		stat: procfs.NewFile(c.Root, "proc/stat"), load: procfs.NewFile(c.Root, "proc/loadavg"),
		names: c.cores(), processes: newProcessCounter(c.Root),
	}).read}
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
	c.round++
	var running, blocked procfs.Words
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		switch key := w.Next(); {
		case string(key) == "cpu":
			c.all.add(parseTicks(w), c.round)
		case bytes.HasPrefix(key, []byte("cpu")):
			c.addCore(key[len("cpu"):], parseTicks(w))
		case string(key) == "procs_running":
			running = w
		case string(key) == "procs_blocked":
			blocked = w
		}
	}
	c.report(p)
	addNumber(p, "ps.running.num", running)
	addNumber(p, "ps.blocked.num", blocked)
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

func (c *cpu) addCore(id []byte, now cpuTicks) {
	n, ok := procfs.ParseNumber(id)
	if !ok || n > mostCores {
		return
	}
	for uint64(len(c.cores)) <= n {
		c.cores = append(c.cores, cpuReadings{leftOut: !c.names.allows(strconv.Itoa(len(c.cores)))})
	}
	c.cores[n].add(now, c.round)
}

// add stores a new reading. If the processor was missing in the round before,
// the earlier reading becomes one without columns.
func (r *cpuReadings) add(now cpuTicks, round int) {
	r.before = cpuTicks{}
	if r.seen == round-1 {
		r.before = r.now
	}
	r.now, r.seen = now, round
}

// report adds the shares of all processors together and the idle time of each.
// If a processor was switched on or off since the last round, the sum of all
// has jumped by its time since boot, up or down (node_exporter#1903), and is
// not used.
func (c *cpu) report(p *points) {
	switched := false
	for _, core := range c.cores {
		on := core.seen == c.round
		wasOn := on && core.before.columns > 0 || core.seen == c.round-1
		switched = switched || on != wasOn
	}
	if percent, ok := c.all.shares(); !switched && c.all.seen == c.round {
		for i, name := range cpuColumns() {
			if ok[i] {
				p.add(name, percent[i], nil)
			}
		}
	}
	for n, core := range c.cores {
		if percent, ok := core.shares(); ok[idleColumn] && core.seen == c.round && !core.leftOut {
			p.add("cpu.idle.core", percent[idleColumn], map[string]string{"core": strconv.Itoa(n)})
		}
	}
}

// shares returns the share of each state in the time between the readings. On
// some kernels iowait or steal may go backwards for a moment. Such a state has
// no share and does not count in the whole. If idle, which is most of the
// whole, went backwards, or another state by more than smallFall, all shares
// are unknown.
func (r cpuReadings) shares() (percent [8]float64, ok [8]bool) {
	var whole float64
	for i := range min(r.now.columns, r.before.columns) {
		now, before := r.now.ticks[i], r.before.ticks[i]
		if now < before && (i == idleColumn || before-now > smallFall) {
			return percent, [8]bool{}
		}
		if ok[i] = now >= before; ok[i] {
			percent[i] = float64(now - before)
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
	var errs []error
	for _, name := range [...]string{"cpu.loadavg.1", "cpu.loadavg.5", "cpu.loadavg.15"} {
		word := w.Next()
		if load, err := strconv.ParseFloat(string(word), 64); err == nil && load >= 0 {
			p.add(name, load, nil)
		} else {
			errs = append(errs, fmt.Errorf("measuring the load: %s: %q is not a number", c.load.Path, word))
		}
	}
	return errors.Join(errs...)
}

// addNumber adds the next word as it is, if it is a number.
func addNumber(p *points, name string, w procfs.Words) {
	if n, ok := w.Number(); ok {
		p.add(name, float64(n), nil)
	}
}
