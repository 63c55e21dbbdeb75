package cell

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

// leaf is a cell that is a cgroup. The counters in its files grow over all
// runs, so their values before this run are kept and subtracted.
type leaf struct {
	block  *cgroupBlock
	dir    string
	limits Limits
	leader int
	killed bool

	cpu, cpuBefore     time.Duration
	kills, killsBefore int64 // kills at the memory limit

	fd, events, stat int        // of dir, cgroup.events and cpu.stat; -1: not open
	peak, oom        int        // of memory.peak and memory.events; -1: not open
	text             [2048]byte // content of the file read last
}

func openLeaf(b *cgroupBlock, dir string, limits Limits) (l *leaf, err error) {
	l = &leaf{block: b, dir: dir, limits: limits, fd: -1, events: -1, stat: -1, peak: -1, oom: -1}
	if l.fd, err = unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return l, fmt.Errorf("opening the cgroup %s: %w", dir, err)
	}
	if l.events, err = l.openFile("cgroup.events", unix.O_RDONLY); err != nil {
		return l, err
	}
	if l.stat, err = l.openFile("cpu.stat", unix.O_RDONLY); err != nil {
		return l, err
	}
	if n := limits.Processes; n > 0 {
		if err := writeCgroup(dir, "pids.max", strconv.Itoa(n)); err != nil {
			return l, fmt.Errorf("limiting processes: %w", err)
		}
	}
	if cores := limits.CPU; cores > 0 {
		if err := writeCgroup(dir, "cpu.max", cpuMax(cores)); err != nil {
			return l, fmt.Errorf("limiting CPU: %w", err)
		}
	}
	if n := limits.Memory; n > 0 {
		err = l.limitMemory(n)
	}
	return l, err
}

// cpuMax writes a number of cores as the microseconds of CPU time that may be
// used in each 100 ms. The kernel takes no less than a millisecond.
func cpuMax(cores float64) string {
	return fmt.Sprintf("%d %d", cpuQuota(cores), cpuPeriod)
}

const cpuPeriod = 100_000

func cpuQuota(cores float64) int64 { return max(int64(cores*cpuPeriod), 1000) }

func (l *leaf) limitMemory(bytes int64) (err error) {
	if err := writeCgroup(l.dir, "memory.max", strconv.FormatInt(bytes, 10)); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	// Kill the whole run: with one process missing it is of no use.
	if err := writeCgroup(l.dir, "memory.oom.group", "1"); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	if l.oom, err = l.openFile("memory.events", unix.O_RDONLY); err != nil {
		return err
	}
	// The file exists since Linux 5.19 and can be reset since 6.12, see renew.
	if l.peak, err = l.openFile("memory.peak", unix.O_RDWR); err != nil {
		l.peak, _ = l.openFile("memory.peak", unix.O_RDONLY)
	}
	return nil
}

// renew prepares the leaf for the next run, and reports whether that is
// possible.
func (l *leaf) renew() bool {
	if l.peak >= 0 {
		if _, err := unix.Write(l.peak, []byte("reset")); err != nil {
			return false
		}
	}
	l.cpuBefore, l.killsBefore, l.leader = l.cpu, l.kills, 0
	return true
}

func (l *leaf) closeFiles() {
	for _, fd := range []int{l.fd, l.events, l.stat, l.peak, l.oom} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// start returns [errGone] if the cgroup does not exist any more.
func (l *leaf) start(what launch, p *process) error {
	what.sys.UseCgroupFD = true
	what.sys.CgroupFD = l.fd
	if err := p.start(what); err != nil {
		if _, gone := l.read(l.events); errors.Is(gone, unix.ENODEV) {
			l.killed = true // not to be kept
			l.block.forget()
			return errGone
		}
		return err
	}
	l.leader = p.pid
	return nil
}

func (l *leaf) members() ([]int, error) {
	populated, err := l.populated()
	if err != nil || !populated {
		return nil, err
	}
	pids, err := cgroupMembers(l.dir)
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == l.leader }), err
}

func (l *leaf) signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		l.killed = true
		return killCgroup(l.dir)
	}
	pids, err := l.members()
	for _, pid := range pids {
		syscall.Kill(pid, sig)
	}
	return err
}

// populated reports whether the leaf, or a cgroup below it, has living
// processes.
func (l *leaf) populated() (bool, error) {
	events, err := l.read(l.events)
	if errors.Is(err, unix.ENODEV) {
		return false, nil // another program removed the cgroup, so it was empty
	}
	if err != nil {
		return false, fmt.Errorf("reading cgroup.events of the cgroup %s: %w", l.dir, err)
	}
	n, ok := statField(events, "populated")
	return n != 0 || !ok, nil
}

func (l *leaf) usage(u *Usage) {
	if stat, err := l.read(l.stat); err == nil {
		if micros, ok := statField(stat, "usage_usec"); ok {
			l.cpu = time.Duration(micros) * time.Microsecond
			u.CPU = l.cpu - l.cpuBefore
		}
	}
	if l.oom >= 0 {
		if events, err := l.read(l.oom); err == nil {
			l.kills, _ = statField(events, "oom_kill")
			u.OutOfMemory = l.kills > l.killsBefore
		}
	}
	if l.peak >= 0 {
		if text, err := l.read(l.peak); err == nil {
			if n, ok := procfs.ParseNumber(bytes.TrimSpace(text)); ok {
				u.PeakMemory = int64(n)
			}
		}
	}
}

func (l *leaf) vacated() bool {
	populated, err := l.populated()
	if err != nil || populated || l.block.reaps {
		return false
	}
	return l.close() == nil
}

func (l *leaf) close() error {
	if l.block.reaps {
		reapAdopted(l.holds)
	}
	if l.block.keep(l) {
		return nil
	}
	return l.remove()
}

func (l *leaf) remove() error {
	l.closeFiles()
	return removeCgroup(l.dir)
}

// holds reports whether a process, which may be dead, is in the cell.
func (l *leaf) holds(pid int) bool {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || pid == l.leader {
		return false
	}
	path, ok := ownCgroup(string(groups), "")
	mine := "/" + filepath.Join(filepath.Base(filepath.Dir(l.dir)), filepath.Base(l.dir))
	return ok && strings.HasSuffix(strings.TrimSuffix(path, " (deleted)"), mine)
}

func (l *leaf) openFile(name string, flags int) (int, error) {
	fd, err := unix.Openat(l.fd, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %s of the cgroup %s: %w", name, l.dir, err)
	}
	return fd, nil
}

// read reads one of the cgroup's files. The text is valid until the next read.
func (l *leaf) read(fd int) ([]byte, error) { return readAgain(fd, l.text[:]) }

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
