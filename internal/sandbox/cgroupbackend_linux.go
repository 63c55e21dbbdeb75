package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// cgroupBackend makes sandboxes that are cgroups (v2). Processes inherit the
// membership, and cannot leave without write access to the cgroup. cgroup.kill
// (Linux 5.14) also kills members that are just being forked. See
// https://docs.kernel.org/admin-guide/cgroup-v2.html
//
//	BASE                    the program's own cgroup, or one delegated to it
//	└── agent-sandbox-NS-N  the parent, with the controllers that BASE offers
//	    ├── 1               a sandbox, used for one run at a time
//	    └── 2
type cgroupBackend struct {
	config Config
	base   string
	reaps  bool // orphans become children of this program

	mu     sync.Mutex
	parent *parentCgroup // guarded by mu
	pids   bool          // guarded by mu: its children can limit processes
	memory bool          // guarded by mu: its children can limit memory
	cpu    bool          // guarded by mu: its children can limit CPU
	last   int           // guarded by mu: number of the last cgroup
	idle   []*cgroup     // guarded by mu: to be used again
}

// maxIdle is the number of cgroups that are kept for another run. Making and
// removing a cgroup costs about as much as starting a process.
const maxIdle = 32

// openCgroups returns an error if the program cannot make sandboxes of cgroups.
func openCgroups(config Config) (*cgroupBackend, error) {
	base, err := cgroupBase()
	if err != nil {
		return nil, err
	}
	removeStale(base)
	b := &cgroupBackend{config: config, base: base, reaps: adoptsOrphans()}
	if err := b.renewParent(); err != nil {
		return nil, err
	}
	if err := b.try(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// renewParent makes the parent cgroup, in place of one that was removed. If it fails,
// the next call of open finds the directory missing and tries again. The lock is held,
// or not needed yet.
func (b *cgroupBackend) renewParent() error {
	dir, err := makeParent(b.base)
	if err != nil {
		return err
	}
	if b.parent != nil {
		b.parent.lock.Close()
	}
	b.parent = dir
	b.memory = enable(b.parent.path, "memory")
	b.pids = enable(b.parent.path, "pids")
	b.cpu = enable(b.parent.path, "cpu")
	return nil
}

// try checks that a process can be started in a cgroup, up to the execution of a
// program, and that a cgroup can be killed. (On Linux 6.18, every process that starts
// in a cgroup that was killed before is killed, too.)
func (b *cgroupBackend) try() error {
	c, err := b.open(Limits{})
	if err != nil {
		return err
	}
	p := newProcess(nil)
	err = c.start(launch{path: b.parent.path + "/no such program", sys: &syscall.SysProcAttr{}}, p)
	p.launched(err)
	if err == nil {
		p.kill()
		err = errors.New("no process can be started in a cgroup on this host")
	} else if errors.Is(err, syscall.ENOENT) {
		err = nil
	}
	if _, killable := os.Stat(filepath.Join(c.(*cgroup).dir, "cgroup.kill")); killable != nil {
		err = errors.Join(err, fmt.Errorf("this kernel cannot kill a cgroup: %w", killable))
	}
	return errors.Join(err, c.signal(syscall.SIGKILL), c.close())
}

func (b *cgroupBackend) kind() string { return "cgroup" }

func (b *cgroupBackend) enforced(limits Limits) Limits {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.possible(limits)
}

// possible is called with the lock held.
func (b *cgroupBackend) possible(limits Limits) Limits {
	if !b.memory {
		limits.Memory = 0
	}
	if !b.pids {
		limits.Processes = 0
	}
	if !b.cpu {
		limits.CPU = 0
	}
	return limits
}

func (b *cgroupBackend) open(limits Limits) (sandbox, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.takeIdle(b.possible(limits)); c != nil {
		return c, nil
	}
	c, err := b.makeCgroup(limits)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		if err := b.renewParent(); err != nil {
			return nil, err
		}
		c, err = b.makeCgroup(limits)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// takeIdle returns a cgroup that has the limits, or nil. The lock is held. A cgroup
// keeps its limits: one that holds the page cache of a larger run cannot be made
// smaller at once.
func (b *cgroupBackend) takeIdle(limits Limits) *cgroup {
	for i, c := range slices.Backward(b.idle) {
		if c.limits == limits {
			b.idle = slices.Delete(b.idle, i, i+1)
			return c
		}
	}
	return nil
}

// makeCgroup is called with the lock held.
func (b *cgroupBackend) makeCgroup(limits Limits) (*cgroup, error) {
	b.last++
	dir := filepath.Join(b.parent.path, strconv.Itoa(b.last))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	c, err := openCgroup(b, dir, b.possible(limits))
	if err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

// keep stores an empty cgroup for another run, and reports whether it did. A cgroup
// that was killed cannot be used again (see try).
func (b *cgroupBackend) keep(c *cgroup) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.killed || !c.reset() {
		return false
	}
	if len(b.idle) >= maxIdle { // the one that was used longest ago
		b.idle[0].remove()
		b.idle = slices.Delete(b.idle, 0, 1)
	}
	b.idle = append(b.idle, c)
	return true
}

// closeIdle closes the files of the idle cgroups.
func (b *cgroupBackend) closeIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.idle {
		c.closeFiles()
	}
	b.idle = nil
}

func (b *cgroupBackend) close() error {
	b.closeIdle()
	return b.parent.remove()
}
