package hostmetrics

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

const (
	// mostCgroups limits the control groups of a round.
	mostCgroups = 256
	// mostCgroupDirs limits how many a round looks at to find them.
	mostCgroupDirs = 20_000
)

// cgroups measures the control groups that the config names: units of systemd, containers.
// It reads cgroup v2, see the kernel's Documentation/admin-guide/cgroup-v2.rst.
type cgroups struct {
	root   string
	names  filter
	clock  stopwatch
	before map[string]cgroupCPU // by path
	buf    []byte
}

// cgroupCPU are the counters of a control group's cpu.stat.
type cgroupCPU struct {
	usage              uint64 // µs
	periods, throttled uint64 // of the limit cpu.max
}

func newCgroups(c Config) *cgroups {
	return &cgroups{root: c.Root, names: c.cgroups(), buf: make([]byte, 4096)}
}

func (g *cgroups) read() ([]agent.Metric, error) {
	dir, ok := cgroup2(g.root)
	if !ok {
		return nil, nil
	}
	names, err := listCgroups(dir, g.selects)
	if err != nil {
		err = fmt.Errorf("measuring control groups: %w", err)
	}
	seconds := g.clock.lap()
	now := make(map[string]cgroupCPU, len(names))
	var p points
	for _, name := range names {
		tags := map[string]string{"cgroup": name}
		cpu, ok := g.readCPU(filepath.Join(dir, name, "cpu.stat"))
		if before, known := g.before[name]; ok && known {
			p.addCgroupCPU(before, cpu, seconds, tags)
		}
		if ok {
			now[name] = cpu
		}
		g.addMemory(&p, filepath.Join(dir, name), tags)
	}
	g.before = now
	return p, err
}

// cgroup2 returns where cgroup v2 is mounted. Where v1 is, too, v2 has fewer files or none.
func cgroup2(root string) (dir string, ok bool) {
	for _, name := range [...]string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
		dir = filepath.Join(root, name)
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			return dir, true
		}
	}
	return "", false
}

// listCgroups returns the paths of the control groups below dir that are selected, in order.
// If there are too many, it returns the first of them, and an error.
func listCgroups(dir string, selects func(name string) bool) (names []string, err error) {
	var tooMany error
	seen := 0
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil && file != dir {
			return nil // it has just been removed
		}
		if err != nil || !entry.IsDir() || file == dir {
			return err
		}
		name, _ := filepath.Rel(dir, file) // it is below dir
		switch seen++; {
		case seen > mostCgroupDirs:
			tooMany = fmt.Errorf("the host has more than %d; the others are not looked at", mostCgroupDirs)
			return fs.SkipAll
		case !selects(name):
		case len(names) == mostCgroups:
			tooMany = fmt.Errorf("collect.include.cgroups names more than %d; name fewer", mostCgroups)
			return fs.SkipAll
		default:
			names = append(names, name)
		}
		if hasNoDirs(entry) {
			return fs.SkipDir
		}
		return nil
	})
	return names, errors.Join(err, tooMany)
}

// hasNoDirs reports whether a directory has no other below it. Each would have a link to it.
// Most control groups have none, and a list of their dozens of files costs much more.
func hasNoDirs(entry fs.DirEntry) bool {
	const itself = 2 // its name and its own "."
	info, err := entry.Info()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == itself
}

// selects reports whether a control group is measured.
func (g *cgroups) selects(name string) bool {
	return g.isNamed(name) && !g.names.excludes(name) && !g.names.excludes(path.Base(name))
}

// isNamed reports whether the config names a control group by its path, or by the last part
// of it.
func (g *cgroups) isNamed(name string) bool {
	return len(g.names.include) > 0 && (g.names.names(name) || g.names.names(path.Base(name)))
}

func (g *cgroups) readFile(path string) []byte {
	n, err := procfs.ReadInto(path, &g.buf)
	if err != nil {
		return nil // a controller is off, or the group has just been removed
	}
	return g.buf[:n]
}

func (g *cgroups) readCPU(path string) (cpu cgroupCPU, ok bool) {
	rest := g.readFile(path)
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		switch string(w.Next()) {
		case "usage_usec":
			cpu.usage, ok = w.Number()
		case "nr_periods":
			cpu.periods, _ = w.Number()
		case "nr_throttled":
			cpu.throttled, _ = w.Number()
		}
	}
	return cpu, ok
}

func (p *points) addCgroupCPU(before, now cgroupCPU, seconds float64, tags map[string]string) {
	const microsecondsToPercent = 100 / 1e6
	p.addRate("cgroup.cpu", before.usage, now.usage, seconds, microsecondsToPercent, tags)
	if now.periods > before.periods && now.throttled >= before.throttled {
		share := float64(now.throttled-before.throttled) / float64(now.periods-before.periods)
		p.add("cgroup.cpu.throttled", 100*min(1, share), tags)
	}
}

func (g *cgroups) addMemory(p *points, dir string, tags map[string]string) {
	for _, f := range [...]struct{ file, name string }{
		{"memory.current", "cgroup.mem"}, {"memory.max", "cgroup.mem.limit"},
		{"pids.current", "cgroup.pids"}, {"pids.max", "cgroup.pids.limit"},
	} {
		w := procfs.NewWords(g.readFile(filepath.Join(dir, f.file)))
		if n, ok := w.Number(); ok { // "max": no limit
			p.add(f.name, float64(n), tags)
		}
	}
	rest := g.readFile(filepath.Join(dir, "memory.events"))
	for len(rest) > 0 {
		var line []byte
		line, rest = procfs.CutLine(rest)
		w := procfs.NewWords(line)
		if string(w.Next()) != "oom_kill" {
			continue
		}
		if n, ok := w.Number(); ok {
			p.add("cgroup.oom_kills", float64(n), tags)
		}
	}
}
