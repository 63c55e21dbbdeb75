package cell

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupBlock makes cells that are leaves in a cgroup v2: membership is
// inherited and nobody leaves without the right to write there, and
// cgroup.kill (Linux 5.14) ends all members at once, also those being born.
// See https://docs.kernel.org/admin-guide/cgroup-v2.html
//
//	BASE                          the program's own cgroup, or one delegated to it
//	└── agent-cells-PID-START-N   this block, with the controllers that BASE offers
//	    ├── 1                     a cell, for the time of a run
//	    └── 2
type cgroupBlock struct {
	dir       string
	processes []byte // what to write to pids.max; nil: no limit
	memory    bool   // memory.peak is there

	mu   sync.Mutex
	last int     // guarded by mu: number of the last leaf
	idle []*leaf // guarded by mu: to be used again
}

// maxIdle is the number of leaves that are kept for another run. Making and
// removing one costs about as much as starting a process.
const maxIdle = 32

// openCgroups returns an error where the program cannot make cells of
// cgroups.
func openCgroups(config Config) (*cgroupBlock, error) {
	base, err := cgroupBase()
	if err != nil {
		return nil, err
	}
	removeStale(base)
	dir, err := makeBlockDir(base)
	if err != nil {
		return nil, err
	}
	b := &cgroupBlock{dir: dir}
	if err := b.try(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.memory = enable(dir, "memory")
	if config.MaxProcesses > 0 && enable(dir, "pids") {
		b.processes = []byte(strconv.Itoa(config.MaxProcesses))
	}
	return b, nil
}

// try makes sure that a process can be born in a leaf, up to where it would
// execute a program, and that a leaf can be killed. (Linux 6.18 was seen to
// kill at birth what starts in a cgroup that had been killed before.)
func (b *cgroupBlock) try() error {
	c, err := b.open()
	if err != nil {
		return err
	}
	p, err := c.start(launch{path: b.dir + "/no such program", sys: &syscall.SysProcAttr{}})
	if err == nil {
		p.wait()
		err = errors.New("processes do not come to life in cgroups here")
	} else if errors.Is(err, syscall.ENOENT) {
		err = nil
	}
	return errors.Join(err, c.signal(syscall.SIGKILL), c.close())
}

func (b *cgroupBlock) kind() string { return "cgroup" }

func (b *cgroupBlock) open() (cell, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.idle); n > 0 {
		l := b.idle[n-1]
		b.idle = b.idle[:n-1]
		return l, nil
	}
	b.last++
	dir := filepath.Join(b.dir, strconv.Itoa(b.last))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	l, err := openLeaf(b, dir)
	if err == nil && b.processes != nil {
		err = l.write("pids.max", b.processes)
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// keep takes an empty leaf back, if it can be used again: one that was killed
// cannot (see try), and memory.peak cannot be set to zero before Linux 6.12.
func (b *cgroupBlock) keep(l *leaf) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.killed || b.memory || len(b.idle) >= maxIdle {
		return false
	}
	l.used = l.total
	b.idle = append(b.idle, l)
	return true
}

func (b *cgroupBlock) close() error {
	for _, l := range b.idle {
		l.closeFiles()
	}
	return removeCgroup(b.dir)
}

// leaf is a cell.
type leaf struct {
	block  *cgroupBlock
	dir    string
	leader int
	killed bool
	total  time.Duration // CPU time, as last read
	used   time.Duration // CPU time before this run

	fd, events, cpu int // of dir, cgroup.events and cpu.stat; -1: not open
}

func openLeaf(b *cgroupBlock, dir string) (*leaf, error) {
	l := &leaf{block: b, dir: dir, fd: -1, events: -1, cpu: -1}
	var err error
	if l.fd, err = unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return l, fmt.Errorf("opening the cgroup %s: %w", dir, err)
	}
	if l.events, err = l.openFile("cgroup.events", unix.O_RDONLY); err != nil {
		return l, err
	}
	l.cpu, err = l.openFile("cpu.stat", unix.O_RDONLY)
	return l, err
}

func (l *leaf) closeFiles() {
	for _, fd := range []int{l.fd, l.events, l.cpu} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (l *leaf) start(what launch) (*process, error) {
	what.sys.UseCgroupFD = true
	what.sys.CgroupFD = l.fd
	p, err := startProcess(what)
	if err == nil {
		l.leader = p.pid
	}
	return p, err
}

func (l *leaf) members() ([]int, error) {
	populated, err := l.populated()
	if err != nil || !populated {
		return nil, err
	}
	var pids []int
	// A command with the right to do so may have made cgroups within.
	err = filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		procs, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(procs)) {
			if pid, err := strconv.Atoi(field); err == nil && pid != l.leader {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

func (l *leaf) signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		l.killed = true
		return l.write("cgroup.kill", []byte("1"))
	}
	pids, err := l.members()
	for _, pid := range append(pids, l.leader) {
		syscall.Kill(pid, sig)
	}
	return err
}

// populated says whether living processes are in the leaf or in cgroups within.
func (l *leaf) populated() (bool, error) {
	events, err := readAgain(l.events)
	if err != nil {
		return false, fmt.Errorf("reading cgroup.events of the cgroup %s: %w", l.dir, err)
	}
	n, ok := statField(events, "populated")
	return n != 0 || !ok, nil
}

func (l *leaf) usage(u *Usage) {
	if stat, err := readAgain(l.cpu); err == nil {
		if micros, ok := statField(stat, "usage_usec"); ok {
			l.total = time.Duration(micros) * time.Microsecond
			u.CPU = l.total - l.used
		}
	}
	if !l.block.memory {
		return
	}
	if text, err := os.ReadFile(filepath.Join(l.dir, "memory.peak")); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			u.PeakMemory = n
		}
	}
}

func (l *leaf) vacated() bool {
	populated, err := l.populated()
	if err != nil || populated || adoptsOrphans() {
		return false
	}
	return l.close() == nil
}

func (l *leaf) close() error {
	if adoptsOrphans() {
		reapAdopted(l.holds)
	}
	if l.block.keep(l) {
		return nil
	}
	l.closeFiles()
	return removeCgroup(l.dir)
}

// holds says whether a process, which may be dead, is in the cell.
func (l *leaf) holds(pid int) bool {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || pid == l.leader {
		return false
	}
	mine := "/" + filepath.Join(filepath.Base(l.block.dir), filepath.Base(l.dir))
	return slices.ContainsFunc(strings.Split(string(groups), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "0::") && strings.HasSuffix(strings.TrimSuffix(line, " (deleted)"), mine)
	})
}

func (l *leaf) openFile(name string, flags int) (int, error) {
	fd, err := unix.Openat(l.fd, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %s of the cgroup %s: %w", name, l.dir, err)
	}
	return fd, nil
}

func (l *leaf) write(name string, value []byte) error {
	fd, err := l.openFile(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, value); err != nil {
		return fmt.Errorf("writing %s of the cgroup %s: %w", name, l.dir, err)
	}
	return nil
}

// readAgain reads a short file from its beginning.
func readAgain(fd int) (string, error) {
	var buf [2048]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// statField returns a value of a file of lines "name value".
func statField(stat, name string) (int64, bool) {
	for line := range strings.Lines(stat) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
