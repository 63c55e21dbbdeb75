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
	"sync/atomic"
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
	last      atomic.Int64
}

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

// try makes sure that a leaf can be made and killed.
func (b *cgroupBlock) try() error {
	c, err := b.open()
	if err != nil {
		return err
	}
	return errors.Join(c.signal(syscall.SIGKILL), c.close())
}

func (b *cgroupBlock) kind() string { return "cgroup" }

func (b *cgroupBlock) open() (cell, error) {
	dir := filepath.Join(b.dir, strconv.FormatInt(b.last.Add(1), 10))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the cgroup %s: %w", dir, err), os.Remove(dir))
	}
	l := &leaf{block: b, dir: dir, fd: fd}
	if b.processes != nil {
		if err := l.write("pids.max", b.processes); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (b *cgroupBlock) close() error { return removeCgroup(b.dir) }

// leaf is a cell.
type leaf struct {
	block  *cgroupBlock
	dir    string
	fd     int // of dir
	leader int
}

func (l *leaf) start(attr *os.ProcAttr, start func() (*os.Process, error)) (*os.Process, error) {
	attr.Sys.UseCgroupFD = true
	attr.Sys.CgroupFD = l.fd
	p, err := start()
	if err == nil {
		l.leader = p.Pid
	}
	return p, err
}

func (l *leaf) members() ([]int, error) {
	events, err := l.read("cgroup.events")
	if err != nil {
		return nil, err
	}
	if strings.Contains(events, "populated 0") {
		return nil, nil
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
		return l.write("cgroup.kill", []byte("1"))
	}
	pids, err := l.members()
	for _, pid := range append(pids, l.leader) {
		syscall.Kill(pid, sig)
	}
	return err
}

func (l *leaf) usage(u *Usage) {
	if stat, err := l.read("cpu.stat"); err == nil {
		if micros, ok := statField(stat, "usage_usec"); ok {
			u.CPU = time.Duration(micros) * time.Microsecond
		}
	}
	if !l.block.memory {
		return
	}
	if peak, err := l.read("memory.peak"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(peak), 10, 64); err == nil {
			u.PeakMemory = n
		}
	}
}

func (l *leaf) close() error {
	if adoptsOrphans() {
		reapAdopted(l.holds)
	}
	return errors.Join(unix.Close(l.fd), removeCgroup(l.dir))
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

// read returns a file of the cgroup. All that are read are short.
func (l *leaf) read(name string) (string, error) {
	fd, err := unix.Openat(l.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening %s of the cgroup %s: %w", name, l.dir, err)
	}
	defer unix.Close(fd)
	var buf [2048]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return "", fmt.Errorf("reading %s of the cgroup %s: %w", name, l.dir, err)
	}
	return string(buf[:n]), nil
}

func (l *leaf) write(name string, value []byte) error {
	fd, err := unix.Openat(l.fd, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s of the cgroup %s: %w", name, l.dir, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, value); err != nil {
		return fmt.Errorf("writing %s of the cgroup %s: %w", name, l.dir, err)
	}
	return nil
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
