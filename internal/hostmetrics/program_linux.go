package hostmetrics

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// program is what one selection of processes measures: the sums over them.
type program struct {
	number, threads, descriptors, memory float64
	cpu, read, written                   float64
	hidesDescriptors, hidesIO            bool // of at least one process
	hasCPU, hasIO                        bool
	detail                               processDetail
	unseen                               error  // why the number of its processes is unknown
	file                                 fileID // the file at its path
}

// programs are the assigned programs. Those that only a path selects are found by each
// path that their processes may show.
type programs struct {
	bySelector map[selector]*program
	byExe      map[string][]*program
	// selections are by more than a path. Those that have a pattern are found by it, then
	// those with a pid file by the PID, the others, plain, one by one. The PIDs of all pid
	// files are keys of byPID.
	selections, plain []selection
	byPattern         map[string][]selection
	byPID             map[int][]selection
	// hidden has the names of processes whose executable may not be read.
	hidden map[string]bool
	// anyHidden is true if there are processes whose names may not be read
	// either.
	anyHidden bool
}

func (c *processes) programs(assignments []agent.Assignment) *programs {
	w := &programs{
		bySelector: make(map[selector]*program), byExe: make(map[string][]*program), hidden: make(map[string]bool),
		byPattern: make(map[string][]selection), byPID: make(map[int][]selection),
	}
	for _, a := range assignments {
		for _, item := range a.Processes {
			s := selectorOf(item)
			if w.bySelector[s] != nil {
				continue
			}
			p := &program{}
			w.bySelector[s] = p
			paths := []string{s.path}
			if s.path != "" {
				paths[0], p.file = c.resolve(s.path)
				if paths[0] != s.path {
					paths = append(paths, s.path)
				}
			}
			if s != (selector{path: s.path}) {
				w.addSelection(c.selection(s, paths, p))
				continue
			}
			for _, path := range paths {
				w.byExe[path] = append(w.byExe[path], p)
			}
		}
	}
	c.patterns.set(slices.Sorted(maps.Keys(w.byPattern)))
	return w
}

func (w *programs) addSelection(s selection) {
	w.selections = append(w.selections, s)
	switch {
	case s.cmdline != "":
		w.byPattern[s.cmdline] = append(w.byPattern[s.cmdline], s)
	case s.pidFile == "":
		w.plain = append(w.plain, s)
	}
	if s.pidFile != "" {
		named := w.byPID[s.pid]
		if s.cmdline == "" {
			named = append(named, s)
		}
		w.byPID[s.pid] = named
	}
}

// namesPID reports whether a pid file names a process.
func (w *programs) namesPID(pid int) bool {
	_, named := w.byPID[pid]
	return named
}

// onlyPatterns reports whether each program that a process may belong to has a pattern.
func (w *programs) onlyPatterns(pid int) bool {
	return len(w.byExe) == 0 && len(w.plain) == 0 && !w.namesPID(pid)
}

// sameAs reports whether both select the same processes.
func (w *programs) sameAs(o *programs) bool {
	return o != nil &&
		maps.EqualFunc(w.bySelector, o.bySelector, func(_, _ *program) bool { return true }) &&
		maps.EqualFunc(w.byExe, o.byExe, func(_, _ []*program) bool { return true })
}

// of returns the programs that a process with this executable belongs to. The
// kernel marks an executable that was removed or replaced.
func (w *programs) of(exe []byte) []*program {
	if p := w.byExe[string(exe)]; p != nil {
		return p
	}
	return w.byExe[string(undeleted(exe))]
}

func undeleted(exe []byte) []byte {
	exe, _ = bytes.CutSuffix(exe, []byte(" (deleted)"))
	return exe
}

// reset removes the results of a walk.
func (w *programs) reset() {
	for _, p := range w.bySelector {
		*p = program{file: p.file}
	}
	clear(w.hidden)
}

// commandName is the kernel's name for processes of an executable.
func commandName(path string) string {
	const longest = 15 // TASK_COMM_LEN without the final zero
	name := filepath.Base(path)
	return name[:min(len(name), longest)]
}

// hide stores the names of a process whose executable may not be read.
func (w *programs) hide(names []string) {
	w.anyHidden = w.anyHidden || len(names) == 0
	for _, name := range names {
		w.hidden[name] = true
	}
}

// fail marks programs if one of their processes could not be measured: sums
// without it would be wrong.
func (w *programs) fail(running []*program, err error) {
	for _, p := range running {
		p.unseen = err
	}
}

var (
	errHidden = errors.New("there is a process of that name, but its executable may not be read: " +
		"run the agent as root, or give it CAP_SYS_PTRACE")
	errHidepid = errors.New("some processes are hidden: " +
		"run the agent as root, or in the group that the option gid of /proc names (proc(5), hidepid)")
)

// markUnseen finds the programs that may have hidden processes, and returns an
// error for each program that was not measured. A zero would be a false alarm,
// and a sum without the hidden processes would be wrong.
func (w *programs) markUnseen() error {
	for exe, running := range w.byExe {
		for _, p := range running {
			switch {
			case p.unseen != nil:
			case w.hidden[commandName(exe)]:
				p.unseen = errHidden
			case w.anyHidden && p.number == 0:
				p.unseen = errHidepid
			}
		}
	}
	for _, s := range w.selections {
		switch {
		case s.unknown != nil:
			s.program.unseen = s.unknown
		case s.pidFile != "" && s.pid == 0: // there is no such process
		case slices.ContainsFunc(s.paths, func(path string) bool { return path != "" && w.hidden[commandName(path)] }):
			s.program.unseen = errHidden
		case s.program.unseen == nil && w.anyHidden && s.program.number == 0:
			s.program.unseen = errHidepid
		}
	}
	var unseen []selector
	for s, p := range w.bySelector {
		if p.unseen != nil {
			unseen = append(unseen, s)
		}
	}
	slices.SortFunc(unseen, selector.compare)
	var errs []error
	for _, s := range unseen {
		errs = append(errs, fmt.Errorf("measuring %s: %w", s, w.bySelector[s].unseen))
	}
	return errors.Join(errs...)
}

func (p *program) add(now usage) {
	p.number++
	p.threads += now.threads
	p.memory += now.memory
	p.descriptors += now.descriptors
	p.hidesDescriptors = p.hidesDescriptors || !now.seesDescriptors
	p.hidesIO = p.hidesIO || !now.seesIO
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
// uses nothing, and its values are zero.
func (w *programs) batches(assignments []agent.Assignment) []agent.Batch {
	var batches []agent.Batch
	for _, a := range assignments {
		metrics := make(points, 0, 7*len(a.Processes))
		for _, item := range a.Processes {
			w.bySelector[selectorOf(item)].addTo(&metrics, item.Name)
		}
		if len(metrics) > 0 {
			batches = append(batches, agent.Batch{Namespace: a.Namespace, Metrics: metrics})
		}
	}
	return batches
}

func (p *program) addTo(metrics *points, name string) {
	if p.unseen != nil {
		return
	}
	none := p.number == 0
	metrics.add(name+".procnum", p.number, nil)
	metrics.add(name+".threads", p.threads, nil)
	metrics.add(name+".mem", p.memory, nil)
	if !p.hidesDescriptors {
		metrics.add(name+".fdnum", p.descriptors, nil)
	}
	if none || p.hasCPU {
		metrics.add(name+".cpu", p.cpu, nil)
	}
	if none || p.hasIO && !p.hidesIO {
		metrics.add(name+".io.read", p.read, nil)
		metrics.add(name+".io.write", p.written, nil)
	}
	p.detail.addTo(metrics, name)
}
