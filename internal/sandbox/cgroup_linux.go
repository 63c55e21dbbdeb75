package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// cgroup is a sandbox that is a cgroup v2. The counters in its files grow over all
// runs, so their values before this run are kept and subtracted.
type cgroup struct {
	backend *cgroupBackend
	dir     string
	limits  Limits
	leader  int
	killed  bool

	cpu, cpuBefore     time.Duration
	kills, killsBefore int64 // kills at the memory limit

	fd, events, stat int        // of dir, cgroup.events and cpu.stat; -1: not open
	peak, oom        int        // of memory.peak and memory.events; -1: not open
	text             [2048]byte // content of the file read last
}

func openCgroup(b *cgroupBackend, dir string, limits Limits) (c *cgroup, err error) {
	c = &cgroup{backend: b, dir: dir, limits: limits, fd: -1, events: -1, stat: -1, peak: -1, oom: -1}
	if c.fd, err = unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return c, fmt.Errorf("opening the cgroup %s: %w", dir, err)
	}
	if c.events, err = c.openFile("cgroup.events", unix.O_RDONLY); err != nil {
		return c, err
	}
	if c.stat, err = c.openFile("cpu.stat", unix.O_RDONLY); err != nil {
		return c, err
	}
	if n := limits.Processes; n > 0 {
		if err := writeCgroup(dir, "pids.max", strconv.Itoa(n)); err != nil {
			return c, fmt.Errorf("limiting processes: %w", err)
		}
	}
	if cores := limits.CPU; cores > 0 {
		if err := writeCgroup(dir, "cpu.max", cpuMax(cores)); err != nil {
			return c, fmt.Errorf("limiting CPU: %w", err)
		}
	}
	if n := limits.Memory; n > 0 {
		err = c.limitMemory(n)
	}
	return c, err
}

// cpuMax writes a number of cores as the microseconds of CPU time that may be
// used in each 100 ms. The kernel takes no less than a millisecond.
func cpuMax(cores float64) string {
	return fmt.Sprintf("%d %d", cpuQuota(cores), cpuPeriod)
}

const cpuPeriod = 100_000

func cpuQuota(cores float64) int64 { return max(int64(cores*cpuPeriod), 1000) }

func (c *cgroup) limitMemory(bytes int64) (err error) {
	if err := writeCgroup(c.dir, "memory.max", strconv.FormatInt(bytes, 10)); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	// Kill the whole run: with one process missing it is of no use.
	if err := writeCgroup(c.dir, "memory.oom.group", "1"); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	if c.oom, err = c.openFile("memory.events", unix.O_RDONLY); err != nil {
		return err
	}
	// The file exists since Linux 5.19. Writing to it resets it since 6.12.
	if c.peak, err = c.openFile("memory.peak", unix.O_RDWR); err != nil {
		c.peak, _ = c.openFile("memory.peak", unix.O_RDONLY)
	}
	return nil
}

// reset prepares the cgroup for the next run, and reports whether that is
// possible.
func (c *cgroup) reset() bool {
	if c.peak >= 0 {
		if _, err := unix.Write(c.peak, []byte("reset")); err != nil {
			return false
		}
	}
	c.cpuBefore, c.killsBefore, c.leader = c.cpu, c.kills, 0
	return true
}

func (c *cgroup) closeFiles() {
	for _, fd := range []int{c.fd, c.events, c.stat, c.peak, c.oom} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// start returns [errCgroupRemoved] if the cgroup does not exist any more.
func (c *cgroup) start(what launch, p *process) error {
	what.sys.UseCgroupFD = true
	what.sys.CgroupFD = c.fd
	if err := p.start(what); err != nil {
		if _, gone := c.read(c.events); errors.Is(gone, unix.ENODEV) {
			c.killed = true // not to be kept
			c.backend.closeIdle()
			return errCgroupRemoved
		}
		return err
	}
	c.leader = p.pid
	return nil
}

func (c *cgroup) members() ([]int, error) {
	populated, err := c.populated()
	if err != nil || !populated {
		return nil, err
	}
	pids, err := cgroupMembers(c.dir)
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == c.leader }), err
}

func (c *cgroup) signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		c.killed = true
		return killCgroup(c.dir)
	}
	pids, err := c.members()
	for _, pid := range pids {
		syscall.Kill(pid, sig)
	}
	return err
}

// populated reports whether the cgroup, or a cgroup below it, has living
// processes.
func (c *cgroup) populated() (bool, error) {
	events, err := c.read(c.events)
	if errors.Is(err, unix.ENODEV) {
		return false, nil // another program removed the cgroup, so it was empty
	}
	if err != nil {
		return false, fmt.Errorf("reading cgroup.events of the cgroup %s: %w", c.dir, err)
	}
	n, ok := statField(events, "populated")
	return n != 0 || !ok, nil
}

func (c *cgroup) usage(u *Usage) {
	if stat, err := c.read(c.stat); err == nil {
		if micros, ok := statField(stat, "usage_usec"); ok {
			c.cpu = time.Duration(micros) * time.Microsecond
			u.CPU = c.cpu - c.cpuBefore
		}
	}
	if c.oom >= 0 {
		if events, err := c.read(c.oom); err == nil {
			c.kills, _ = statField(events, "oom_kill")
			u.OutOfMemory = c.kills > c.killsBefore
		}
	}
	if c.peak >= 0 {
		if text, err := c.read(c.peak); err == nil {
			if n, ok := procfs.ParseNumber(bytes.TrimSpace(text)); ok {
				u.PeakMemory = int64(n)
			}
		}
	}
}

func (c *cgroup) closeIfEmpty() bool {
	populated, err := c.populated()
	if err != nil || populated || c.backend.reaps {
		return false
	}
	return c.close() == nil
}

func (c *cgroup) close() error {
	if c.backend.reaps {
		reapAdopted(c.contains)
	}
	if c.backend.keep(c) {
		return nil
	}
	return c.remove()
}

func (c *cgroup) remove() error {
	c.closeFiles()
	return removeCgroup(c.dir)
}

// contains reports whether a process, which may be dead, is in the sandbox.
func (c *cgroup) contains(pid int) bool {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || pid == c.leader {
		return false
	}
	path, ok := ownCgroup(string(groups), "")
	mine := "/" + filepath.Join(filepath.Base(filepath.Dir(c.dir)), filepath.Base(c.dir))
	return ok && strings.HasSuffix(strings.TrimSuffix(path, " (deleted)"), mine)
}

func (c *cgroup) openFile(name string, flags int) (int, error) {
	fd, err := unix.Openat(c.fd, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %s of the cgroup %s: %w", name, c.dir, err)
	}
	return fd, nil
}

// read reads one of the cgroup's files. The text is valid until the next read.
func (c *cgroup) read(fd int) ([]byte, error) { return readAgain(fd, c.text[:]) }

// statField returns the value of a name in a file of lines "name value".
func statField(stat []byte, name string) (int64, bool) {
	for line := range bytes.Lines(stat) {
		words := procfs.NewWords(line)
		if string(words.Next()) == name {
			n, ok := words.Number()
			return int64(n), ok
		}
	}
	return 0, false
}
