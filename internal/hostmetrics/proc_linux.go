package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/procfs"
	"golang.org/x/sys/unix"
)

// processes measures programs: all processes whose executable is one of the
// assigned paths, or that are selected otherwise. One walk over /proc finds those
// of all programs.
type processes struct {
	root   string
	pids   procfs.PIDLister
	reader processReader
	clock  stopwatch
	ready  bool
	// path and link are buffers for reading links.
	path, link []byte
	patterns   patterns
	settled    settled
	detail     *detailReader // nil: collect.detail does not name PROC
	last       *programs     // of the last walk
	// before and now are the processes of the last and the present walk. If a
	// process has the id of one that has ended, its start is different.
	before, now map[processID]usage
}

type processID struct {
	pid   int
	start uint64 // clock ticks after boot
}

var _ agent.AssignmentCollector = (*processes)(nil)

func newProcesses(c Config) *processes {
	root := c.Root
	p := &processes{
		root:   root,
		pids:   procfs.PIDLister{Dir: filepath.Join(root, "proc")},
		reader: newProcessReader(filepath.Join(root, "proc")),
		link:   make([]byte, unix.PathMax),
		before: make(map[processID]usage),
		now:    make(map[processID]usage),
	}
	if c.detailed("PROC") {
		p.detail = newDetailReader(p.pids.Dir)
	}
	return p
}

// CollectAssigned measures the programs of all assignments.
func (c *processes) CollectAssigned(ctx context.Context, assignments []agent.Assignment) ([]agent.Batch, error) {
	wanted := c.programs(assignments)
	if len(wanted.bySelector) == 0 {
		c.ready, c.last, c.settled = false, nil, settled{}
		return nil, nil
	}
	if !c.ready {
		c.ready = true
		clear(c.before)
		if err := c.walk(wanted); err != nil || !backoff.Pause(ctx, firstGap) {
			return wanted.batches(assignments), err
		}
		wanted.reset()
	}
	err := c.walk(wanted)
	return wanted.batches(assignments), err
}

// walk ignores processes that end while it reads them.
func (c *processes) walk(wanted *programs) error {
	pids, err := c.pids.List()
	if err != nil {
		return fmt.Errorf("measuring processes: %w", err)
	}
	seconds := c.clock.lap()
	clear(c.now)
	c.reader.begin()
	c.detail.begin()
	proc, err := unix.Open(c.pids.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("measuring processes: %w", &fs.PathError{Op: "open", Path: c.pids.Dir, Err: err})
	}
	defer unix.Close(proc)
	// With the mount option hidepid=2, /proc lists only the own user's
	// processes. Without it, there is always one with the ID 1.
	wanted.anyHidden = !slices.Contains(pids, 1)
	host := c.reader.home(1)
	if host == (home{}) {
		host = home{root: fileAt(c.root)}
	}
	c.settled.begin(wanted.sameAs(c.last))
	c.last = wanted
	for i, inode := range c.pids.Inodes() {
		p := sighting{pids[i], inode}
		if !wanted.namesPID(p.pid) && c.settled.skips(p) {
			continue
		}
		running, hidden := c.look(proc, p.pid, host, wanted)
		if len(running) == 0 && !hidden {
			c.settled.sawNothing(p)
		}
		c.measure(p.pid, running, seconds, wanted)
	}
	c.patterns.forgetOld()
	c.before, c.now = c.now, c.before
	return wanted.markUnseen()
}

// look returns the programs of a process. hidden means that it may have more.
func (c *processes) look(proc, pid int, host home, wanted *programs) (running []*program, hidden bool) {
	if wanted.onlyPatterns(pid) {
		if len(wanted.byPattern) == 0 {
			return nil, false
		}
		line, err := c.reader.commandLine(pid)
		if err == nil && len(c.patterns.of(line)) == 0 {
			return nil, false
		}
	}
	c.path = append(strconv.AppendInt(c.path[:0], int64(pid), 10), "/exe\x00"...)
	n, err := readlinkAt(proc, c.path, c.link)
	switch {
	case err == unix.EACCES || err == unix.EPERM: // process of another user, or hidepid=1
		wanted.hide(c.reader.names(pid))
		return c.selected(pid, host, nil, wanted), true
	case err != 0: // a kernel thread, a zombie, or gone
		return nil, false
	}
	running = wanted.of(c.link[:n])
	if len(running) > 0 && !c.reader.isOfHost(pid, host, running) {
		running = nil
	}
	return slices.Concat(running, c.selected(pid, host, c.link[:n], wanted)), false
}

// readlinkAt is readlinkat(2) for a path that ends in a zero byte.
// unix.Readlinkat copies the path twice. With thousands of processes that is a
// tenth of the walk.
func readlinkAt(dir int, path, target []byte) (int, syscall.Errno) {
	n, _, err := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&path[0])),
		uintptr(unsafe.Pointer(&target[0])), uintptr(len(target)), 0, 0)
	return int(n), err
}

// measure adds a process to the sums of its programs.
func (c *processes) measure(pid int, running []*program, seconds float64, wanted *programs) {
	if len(running) == 0 {
		return
	}
	now, start, err := c.reader.read(pid)
	if errors.Is(err, errGone) {
		return
	}
	if err != nil {
		wanted.fail(running, err)
		return
	}
	id := processID{pid, start}
	before, known := c.before[id]
	c.now[id] = now
	for _, p := range running {
		p.add(now)
		if known && seconds > 0 {
			p.addRates(before, now, seconds)
		}
	}
	if c.detail != nil {
		c.detail.measure(pid, now, known, seconds, running)
	}
}

// resolve returns the file that path leads to: its path in the form that
// processes show, and its id. If that is not known, it returns path and no id.
func (c *processes) resolve(path string) (string, fileID) {
	root, err := unix.Open(c.root, openPath|unix.O_DIRECTORY, 0)
	if err != nil {
		return path, fileID{}
	}
	defer unix.Close(root)
	file, err := c.open(root, path)
	if err != nil {
		return path, fileID{}
	}
	defer unix.Close(file)
	id := fileAt("/proc/self/fd/" + strconv.Itoa(file))
	target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(file))
	if err != nil {
		return path, id
	}
	prefix, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(root))
	if err != nil {
		return path, id
	}
	if below, ok := strings.CutPrefix(target, strings.TrimSuffix(prefix, "/")); ok {
		return below, id
	}
	return path, id
}

// openPath are the flags to open a file without access to its content.
const openPath = unix.O_PATH | unix.O_CLOEXEC

// open follows symbolic links as a process with this root does. It needs
// openat2(2), which exists since Linux 5.6.
func (c *processes) open(root int, path string) (int, error) {
	if c.root == "/" {
		return unix.Open(path, openPath, 0)
	}
	return unix.Openat2(root, path, &unix.OpenHow{Flags: openPath, Resolve: unix.RESOLVE_IN_ROOT})
}
