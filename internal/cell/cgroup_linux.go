package cell

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

// cgroupBlock makes cells that are leaves in a cgroup v2. Processes inherit the
// membership, and cannot leave without write access to the cgroup. cgroup.kill
// (Linux 5.14) also kills members that are just being forked. See
// https://docs.kernel.org/admin-guide/cgroup-v2.html
//
//	BASE                  the program's own cgroup, or one delegated to it
//	└── agent-cells-NS-N  this block, with the controllers that BASE offers
//	    ├── 1             a cell, used for one run at a time
//	    └── 2
type cgroupBlock struct {
	config Config
	base   string
	reaps  bool // orphans become children of this program

	mu     sync.Mutex
	dir    *blockDir // guarded by mu
	pids   bool      // guarded by mu: leaves in dir can limit processes
	memory bool      // guarded by mu: leaves in dir can limit memory
	cpu    bool      // guarded by mu: leaves in dir can limit CPU
	last   int       // guarded by mu: number of the last leaf
	idle   []*leaf   // guarded by mu: to be used again
}

// maxIdle is the number of leaves that are kept for another run. Making and
// removing a leaf costs about as much as starting a process.
const maxIdle = 32

// openCgroups returns an error if the program cannot make cells of cgroups.
func openCgroups(config Config) (*cgroupBlock, error) {
	base, err := cgroupBase()
	if err != nil {
		return nil, err
	}
	removeStale(base)
	b := &cgroupBlock{config: config, base: base, reaps: adoptsOrphans()}
	if err := b.makeDir(); err != nil {
		return nil, err
	}
	if err := b.try(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// makeDir makes the block's directory, also again. If it fails, the next call of
// open finds the former directory missing, and tries once more. The lock is held, or
// not needed yet.
func (b *cgroupBlock) makeDir() error {
	dir, err := makeBlockDir(b.base)
	if err != nil {
		return err
	}
	if b.dir != nil {
		b.dir.lock.Close()
	}
	b.dir = dir
	b.memory = enable(b.dir.path, "memory")
	b.pids = enable(b.dir.path, "pids")
	b.cpu = enable(b.dir.path, "cpu")
	return nil
}

// try checks that a process can be started in a leaf, up to the execution of a
// program, and that a leaf can be killed. (Linux 6.18 was seen to kill each
// process that starts in a cgroup that was killed before.)
func (b *cgroupBlock) try() error {
	c, err := b.open(Limits{})
	if err != nil {
		return err
	}
	p := newProcess(nil)
	err = c.start(launch{path: b.dir.path + "/no such program", sys: &syscall.SysProcAttr{}}, p)
	p.launched(err)
	if err == nil {
		p.kill()
		err = errors.New("no process can be started in a cgroup on this host")
	} else if errors.Is(err, syscall.ENOENT) {
		err = nil
	}
	if _, killable := os.Stat(filepath.Join(c.(*leaf).dir, "cgroup.kill")); killable != nil {
		err = errors.Join(err, fmt.Errorf("this kernel cannot kill a cgroup: %w", killable))
	}
	return errors.Join(err, c.signal(syscall.SIGKILL), c.close())
}

func (b *cgroupBlock) kind() string { return "cgroup" }

func (b *cgroupBlock) enforced(limits Limits) Limits {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.possible(limits)
}

// possible is called with the lock held.
func (b *cgroupBlock) possible(limits Limits) Limits {
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

func (b *cgroupBlock) open(limits Limits) (cell, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.takeIdle(b.possible(limits)); l != nil {
		return l, nil
	}
	l, err := b.makeLeaf(limits)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		if err := b.makeDir(); err != nil {
			return nil, err
		}
		l, err = b.makeLeaf(limits)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// takeIdle returns a leaf that has the limits, or nil. The lock is held. A leaf
// keeps its limits: one that holds the page cache of a larger run cannot be made
// smaller at once.
func (b *cgroupBlock) takeIdle(limits Limits) *leaf {
	for i, l := range slices.Backward(b.idle) {
		if l.limits == limits {
			b.idle = slices.Delete(b.idle, i, i+1)
			return l
		}
	}
	return nil
}

// makeLeaf is called with the lock held.
func (b *cgroupBlock) makeLeaf(limits Limits) (*leaf, error) {
	b.last++
	dir := filepath.Join(b.dir.path, strconv.Itoa(b.last))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	l, err := openLeaf(b, dir, b.possible(limits))
	if err != nil {
		return nil, errors.Join(err, l.remove())
	}
	return l, nil
}

// keep stores an empty leaf for another run, and reports whether it did. A leaf
// that was killed cannot be used again (see try).
func (b *cgroupBlock) keep(l *leaf) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.killed || !l.renew() {
		return false
	}
	if len(b.idle) >= maxIdle { // the one that was used longest ago
		b.idle[0].remove()
		b.idle = slices.Delete(b.idle, 0, 1)
	}
	b.idle = append(b.idle, l)
	return true
}

// forget closes the idle leaves.
func (b *cgroupBlock) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.idle {
		l.closeFiles()
	}
	b.idle = nil
}

func (b *cgroupBlock) close() error {
	b.forget()
	return b.dir.remove()
}
