package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// program is an assigned path and the sums over its processes.
type program struct {
	number, descriptors, memory float64
	cpu, read, written          float64
	seesDescriptors             bool
	hasCPU, hasIO               bool
	unseen                      bool // it is not known whether it runs
}

// programs are the assigned ones, by the path the registry gave and by each
// path their executable may be shown at.
type programs struct {
	byPath map[string]*program
	byExe  map[string][]*program
	// hidden are the names of processes whose executable may not be seen.
	hidden map[string]bool
}

func (c *processes) programs(assignments []agent.Assignment) programs {
	w := programs{byPath: make(map[string]*program), byExe: make(map[string][]*program), hidden: make(map[string]bool)}
	for _, a := range assignments {
		for _, item := range a.Processes {
			if w.byPath[item.Path] != nil {
				continue
			}
			p := &program{}
			w.byPath[item.Path] = p
			w.byExe[item.Path] = append(w.byExe[item.Path], p)
			if target := c.resolve(item.Path); target != item.Path {
				w.byExe[target] = append(w.byExe[target], p)
			}
		}
	}
	return w
}

// of returns the programs that a process with this executable belongs to. The
// kernel marks an executable that was removed, or replaced by an update.
func (w programs) of(exe []byte) []*program {
	if p := w.byExe[string(exe)]; p != nil {
		return p
	}
	exe, _ = bytes.CutSuffix(exe, []byte(" (deleted)"))
	return w.byExe[string(exe)]
}

func (w programs) reset() {
	for _, p := range w.byPath {
		*p = program{}
	}
}

// commandName is the name the kernel gives to processes of an executable.
func commandName(path string) string {
	const longest = 15 // TASK_COMM_LEN less the zero at the end
	name := filepath.Base(path)
	return name[:min(len(name), longest)]
}

// errHidden: zero would be a false alarm.
var errHidden = errors.New("a process of that name is there, but its executable cannot be seen: " +
	"run the agent as root, or give it CAP_SYS_PTRACE")

// markUnseen finds the programs of which it cannot be said that they do not
// run, and returns an error for each.
func (w programs) markUnseen() error {
	var errs []error
	for exe, running := range w.byExe {
		if !w.hidden[commandName(exe)] {
			continue
		}
		for _, p := range running {
			if p.number == 0 && !p.unseen {
				p.unseen = true
				errs = append(errs, fmt.Errorf("measuring %s: %w", exe, errHidden))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *program) add(now usage) {
	p.number++
	p.memory += now.memory
	if now.seesDescriptors {
		p.descriptors += now.descriptors
		p.seesDescriptors = true
	}
}

func (p *program) addRates(before, now usage, seconds float64) {
	if now.ticks >= before.ticks {
		p.cpu += 100 * float64(now.ticks-before.ticks) / procfs.TicksPerSecond / seconds
		p.hasCPU = true
	}
	if now.seesIO && before.seesIO && now.read >= before.read && now.written >= before.written {
		p.read += float64(now.read-before.read) / seconds
		p.written += float64(now.written-before.written) / seconds
		p.hasIO = true
	}
}

// batches returns the points of each namespace. A program without processes
// uses nothing: that is known, and zero.
func (w programs) batches(assignments []agent.Assignment) []agent.Batch {
	var batches []agent.Batch
	for _, a := range assignments {
		metrics := make(points, 0, 6*len(a.Processes))
		for _, item := range a.Processes {
			w.byPath[item.Path].addTo(&metrics, item.Name)
		}
		if len(metrics) > 0 {
			batches = append(batches, agent.Batch{Namespace: a.Namespace, Metrics: metrics})
		}
	}
	return batches
}

func (p *program) addTo(metrics *points, name string) {
	if p.unseen {
		return
	}
	none := p.number == 0
	metrics.add(name+".procnum", p.number, nil)
	metrics.add(name+".mem", p.memory, nil)
	if none || p.seesDescriptors {
		metrics.add(name+".fdnum", p.descriptors, nil)
	}
	if none || p.hasCPU {
		metrics.add(name+".cpu", p.cpu, nil)
	}
	if none || p.hasIO {
		metrics.add(name+".io.read", p.read, nil)
		metrics.add(name+".io.write", p.written, nil)
	}
}
