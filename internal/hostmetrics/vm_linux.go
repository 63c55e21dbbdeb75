package hostmetrics

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// vm measures what the kernel does for processes: swap, page faults and kills for lack of
// memory (/proc/vmstat), switches, interrupts and new processes (/proc/stat), and how long
// it has run (/proc/uptime). See proc_vmstat(5), proc_stat(5) and proc_uptime(5).
type vm struct {
	vmstat, stat, uptime procfs.File
	rates                counterRates
	now                  []counter // of this round
}

func newVM(root string) agent.Collector {
	v := &vm{
		vmstat: procfs.NewFile(root, "proc/vmstat"), stat: procfs.NewFile(root, "proc/stat"),
		uptime: procfs.NewFile(root, "proc/uptime"),
	}
	return &rates{read: v.read}
}

func (v *vm) read() ([]agent.Metric, error) {
	p := make(points, 0, 8)
	v.now = v.now[:0]
	err := errors.Join(v.readVMStat(&p), v.readStat(), v.readUptime(&p))
	v.rates.add(&p, v.now)
	if err != nil {
		err = fmt.Errorf("measuring what the kernel does: %w", err)
	}
	return p, err
}

func (v *vm) readVMStat(p *points) error {
	rest, err := v.vmstat.Read()
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		switch string(w.Next()) {
		case "pswpin":
			v.count("vm.swap.in", w)
		case "pswpout":
			v.count("vm.swap.out", w)
		case "pgmajfault":
			v.count("vm.faults.major", w)
		case "oom_kill":
			addNumber(p, "vm.oom_kills", w)
		}
	}
	return err
}

func (v *vm) readStat() error {
	rest, err := v.stat.Read()
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		switch string(w.Next()) {
		case "ctxt":
			v.count("cpu.ctxt", w)
		case "intr": // the sum comes first
			v.count("cpu.intr", w)
		case "processes":
			v.count("ps.forks", w)
		}
	}
	return err
}

// count adds the next word to the counters of the round, if it is a number.
func (v *vm) count(name string, w procfs.Words) {
	if n, ok := w.Number(); ok {
		v.now = append(v.now, counter{name, n, 1})
	}
}

func (v *vm) readUptime(p *points) error {
	content, err := v.uptime.Read()
	if err != nil {
		return err
	}
	w := procfs.NewWords(content)
	word := w.Next()
	seconds, err := strconv.ParseFloat(string(word), 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("%s: %.100q is not a number", v.uptime.Path, word)
	}
	p.add("host.uptime", seconds, nil)
	return nil
}
