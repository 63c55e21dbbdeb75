package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// v1Limiter limits runs through the hierarchies of cgroup v1. It is used if v2 does
// not have the controllers. A run gets a cgroup in each hierarchy, and its first
// process enters them between fork and exec. See
// https://docs.kernel.org/admin-guide/cgroup-v1/
type v1Limiter struct {
	controllers []string // "pids" first

	mu      sync.Mutex
	parents []*parentCgroup // guarded by mu: one for each controller
	free    []*v1Cgroup     // guarded by mu: used by no run
	made    int             // guarded by mu
}

// maxMove is how long entering a cgroup may take. Some kernels need milliseconds, and
// the thread that starts processes waits for it.
const maxMove = 2 * time.Millisecond

// openV1 returns an error if the controller pids cannot be used: it tells whether a
// cgroup is empty. The other controllers are used if possible.
func openV1(config Config) (*v1Limiter, error) {
	if !canPreExec() {
		return nil, errors.New("processes cannot enter cgroups of v1 on their own")
	}
	l := &v1Limiter{}
	for _, controller := range []string{"pids", "memory", "cpu"} {
		err := l.add(controller)
		if err != nil && controller == "pids" {
			return nil, err
		}
		if err != nil {
			config.Logger.Info("commands run without a limit", "of", controller, "reason", err)
		}
	}
	return l, nil
}

// add prepares a hierarchy, and tries it.
func (l *v1Limiter) add(controller string) error {
	base, err := ownDir(controller, "cgroup")
	if err != nil {
		return err
	}
	removeStale(base)
	dir, err := makeParent(base)
	if err != nil {
		return err
	}
	one := &v1Limiter{controllers: []string{controller}, parents: []*parentCgroup{dir}}
	if err := one.try(); err != nil {
		one.close()
		return err
	}
	one.drop()
	l.controllers, l.parents = append(l.controllers, controller), append(l.parents, dir)
	return nil
}

// try measures how long a new process needs to enter a cgroup.
func (l *v1Limiter) try() error {
	g, err := l.make(Limits{Processes: 1, Memory: 1 << 20, CPU: 1})
	if err != nil {
		return err
	}
	defer g.release()
	quickest := time.Hour
	for range 5 {
		p := &preExec{}
		began := time.Now()
		p.add(enterCgroup, unix.SYS_WRITE, uintptr(g.tasks[0]), p.text("0"), 1)
		if err := p.try(); err != nil {
			return err
		}
		quickest = min(quickest, time.Since(began))
	}
	if quickest > maxMove {
		return fmt.Errorf("entering a cgroup takes %v on this host", quickest)
	}
	return nil
}

func (l *v1Limiter) enforced(limits Limits) Limits {
	if !slices.Contains(l.controllers, "memory") {
		limits.Memory = 0
	}
	if !slices.Contains(l.controllers, "cpu") {
		limits.CPU = 0
	}
	return limits
}

// take returns cgroups with the limits for a run. Those that still hold processes
// of their last run are left alone.
func (l *v1Limiter) take(limits Limits) (limit, error) {
	limits = l.enforced(limits)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.free) - 1; i >= 0; i-- {
		g := l.free[i]
		if g.limits != limits {
			continue
		}
		ready, err := g.renew()
		if ready || err != nil {
			l.free = slices.Delete(l.free, i, i+1)
		}
		if ready {
			return g, nil
		}
		if err != nil { // another program has removed it
			g.remove()
		}
	}
	g, err := l.make(limits)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		for i, d := range l.parents {
			made, err := makeParent(d.base)
			if err != nil {
				return nil, err
			}
			d.lock.Close()
			l.parents[i] = made
		}
		g, err = l.make(limits)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// make is called with the lock held, or before others know the limiter.
func (l *v1Limiter) make(limits Limits) (*v1Cgroup, error) {
	l.made++
	g := &v1Cgroup{limiter: l, limits: limits, current: -1, oom: -1}
	for i, controller := range l.controllers {
		if err := g.add(controller, filepath.Join(l.parents[i].path, strconv.Itoa(l.made))); err != nil {
			return nil, errors.Join(err, g.remove())
		}
	}
	return g, nil
}

// drop removes the cgroups that no run uses.
func (l *v1Limiter) drop() {
	for _, g := range l.free {
		g.remove()
	}
	l.free = nil
}

func (l *v1Limiter) close() {
	l.drop()
	for _, d := range l.parents {
		d.remove()
	}
}

// v1Cgroup is a cgroup in each hierarchy, for one run at a time.
type v1Cgroup struct {
	limiter *v1Limiter
	limits  Limits
	dirs    []string
	tasks   []int // descriptors of the files "tasks"
	current int   // descriptor of pids.current; -1: not open
	oom     int   // descriptor of memory.oom_control; -1: not open
	kills   int64 // at the memory limit, before this run
	frozen  bool  // no process can be started in it
}

// add makes the cgroup's cgroup in one hierarchy.
func (g *v1Cgroup) add(controller, dir string) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("making a cgroup: %w", err)
	}
	g.dirs = append(g.dirs, dir)
	tasks, err := unix.Open(filepath.Join(dir, "tasks"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the file tasks of the cgroup %s: %w", dir, err)
	}
	g.tasks = append(g.tasks, tasks)
	switch controller {
	case "pids":
		g.current, err = unix.Open(filepath.Join(dir, "pids.current"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return errors.Join(err, g.limitProcesses())
	case "memory":
		g.oom, err = unix.Open(filepath.Join(dir, "memory.oom_control"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return errors.Join(err, g.write("memory.limit_in_bytes", g.limits.Memory))
	case "cpu":
		if g.limits.CPU == 0 {
			return nil
		}
		return errors.Join(g.write("cpu.cfs_period_us", cpuPeriod), g.write("cpu.cfs_quota_us", cpuQuota(g.limits.CPU)))
	}
	return nil
}

// write sets a limit in the cgroup that was made last. Zero: there is none.
func (g *v1Cgroup) write(file string, value int64) error {
	if value == 0 {
		return nil
	}
	if err := writeCgroup(g.dirs[len(g.dirs)-1], file, strconv.FormatInt(value, 10)); err != nil {
		return fmt.Errorf("writing %s of a cgroup: %w", file, err)
	}
	return nil
}

func (g *v1Cgroup) limitProcesses() error {
	value := "max"
	if n := g.limits.Processes; n > 0 {
		value = strconv.Itoa(n)
	}
	if err := writeCgroup(g.dirs[0], "pids.max", value); err != nil {
		return fmt.Errorf("limiting processes: %w", err)
	}
	g.frozen = false
	return nil
}

// renew prepares the cgroup for another run. It reports false if there still are
// processes of the last one. Zombies count as well: they would take from the run's
// limit.
func (g *v1Cgroup) renew() (bool, error) {
	var buf [32]byte
	text, err := readAgain(g.current, buf[:])
	if err != nil {
		return false, fmt.Errorf("counting the processes in a cgroup: %w", err)
	}
	if count, ok := procfs.ParseNumber(bytes.TrimSpace(text)); !ok || count > 0 {
		return false, nil
	}
	g.kills, _ = g.killed()
	if !g.frozen {
		return true, nil
	}
	err = g.limitProcesses()
	return err == nil, err
}

// killed returns how many processes were killed at the memory limit since the
// group was made (Linux 4.13).
func (g *v1Cgroup) killed() (int64, bool) {
	var buf [256]byte
	text, err := readAgain(g.oom, buf[:])
	if err != nil {
		return 0, false
	}
	return statField(text, "oom_kill")
}

func (g *v1Cgroup) files() []int { return g.tasks }

func (g *v1Cgroup) usage(u *Usage) {
	if kills, ok := g.killed(); ok && kills > g.kills {
		u.OutOfMemory = true
	}
}

func (g *v1Cgroup) freeze() {
	writeCgroup(g.dirs[0], "pids.max", "0")
	g.frozen = true
}

// release gives the cgroup back. Those that were used longest ago are removed.
func (g *v1Cgroup) release() {
	l := g.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, g)
	if len(l.free) > maxIdle {
		l.free[0].remove()
		l.free = slices.Delete(l.free, 0, 1)
	}
}

// remove closes the files and removes the cgroups, if no process is in them.
// Otherwise they go with the directory above them.
func (g *v1Cgroup) remove() error {
	for _, fd := range append(g.tasks, g.current, g.oom) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	for _, dir := range g.dirs {
		unix.Rmdir(dir)
	}
	return nil
}
