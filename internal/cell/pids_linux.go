package cell

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// pidsV1 limits the number of processes of each run through the pids hierarchy
// of cgroup v1. It is used if v2 does not have that controller. The spawner's
// thread enters a cgroup before it starts a process, and the process inherits
// it. See https://docs.kernel.org/admin-guide/cgroup-v1/pids.html
type pidsV1 struct {
	base string
	// here is the cgroup of the spawner's thread. Only that thread uses the
	// field. While runs do not overlap, the thread stays in one cgroup.
	here *pidsGroup

	mu   sync.Mutex
	dir  *blockDir    // guarded by mu
	free []*pidsGroup // guarded by mu: used by no run
	made int          // guarded by mu
}

// maxMove is how long a change of cgroup may take. Old kernels need
// milliseconds.
const maxMove = 2 * time.Millisecond

func openPidsV1() (*pidsV1, error) {
	base, err := ownDir("pids", "cgroup")
	if err != nil {
		return nil, err
	}
	removeStale(base)
	p := &pidsV1{base: base}
	if p.dir, err = makeBlockDir(base); err != nil {
		return nil, err
	}
	tried := make(chan error)
	onOwnThread(func() { tried <- p.try() })
	if err := <-tried; err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// try measures a change of the calling thread's cgroup.
func (p *pidsV1) try() error {
	g, err := p.take(1, nil)
	if err != nil {
		return err
	}
	defer g.release()
	began := time.Now()
	if err := g.enter(); err != nil {
		return err
	}
	if took := time.Since(began); took > maxMove {
		return fmt.Errorf("changing a thread's cgroup takes %v on this host", took)
	}
	return nil
}

// limit is called by the spawner's thread, which stays, or by one that ends with
// the run. The error is [errGone] where another program has removed the cgroup.
func (p *pidsV1) limit(max int, stays bool) (limit, error) {
	var here *pidsGroup
	if stays {
		here = p.here
	}
	g, err := p.take(max, here)
	if err != nil {
		return nil, err
	}
	if g == here {
		return g, nil
	}
	if err := g.enter(); err != nil {
		g.close()
		return nil, err
	}
	if stays {
		p.here = g
	}
	return g, nil
}

// take returns a cgroup for a run. The last one that was given back comes
// first: the thread is there, as long as runs do not overlap. One that still
// holds processes of its last run is left alone.
func (p *pidsV1) take(max int, here *pidsGroup) (*pidsGroup, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.free) - 1; i >= 0; i-- {
		g := p.free[i]
		ready, err := g.ready(g == here, max)
		if ready || err != nil {
			p.free = append(p.free[:i], p.free[i+1:]...)
		}
		if ready {
			return g, nil
		}
		if err != nil { // another program has removed it
			g.close()
		}
	}
	g, err := p.make(max)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		p.dir.lock.Close()
		if p.dir, err = makeBlockDir(p.base); err != nil {
			return nil, err
		}
		g, err = p.make(max)
	}
	return g, err
}

// make is called with the lock held.
func (p *pidsV1) make(max int) (*pidsGroup, error) {
	p.made++
	dir := filepath.Join(p.dir.path, strconv.Itoa(p.made))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a cgroup: %w", err)
	}
	g := &pidsGroup{limiter: p}
	for _, file := range []struct {
		fd   *int
		name string
		mode int
	}{{&g.tasks, "tasks", unix.O_WRONLY}, {&g.max, "pids.max", unix.O_WRONLY}, {&g.current, "pids.current", unix.O_RDONLY}} {
		var err error
		if *file.fd, err = unix.Open(filepath.Join(dir, file.name), file.mode|unix.O_CLOEXEC, 0); err != nil {
			return nil, errors.Join(fmt.Errorf("limiting processes: %w", err), os.Remove(dir))
		}
	}
	if _, err := g.ready(false, max); err != nil {
		g.close()
		return nil, errors.Join(err, os.Remove(dir))
	}
	return g, nil
}

// close is called when no thread is in the cgroups any more.
func (p *pidsV1) close() {
	for _, g := range p.free {
		g.close()
	}
	p.dir.remove()
}

// pidsGroup is a cgroup for one run at a time.
type pidsGroup struct {
	limiter             *pidsV1
	tasks, max, current int // descriptors of its files
	limit               int // of processes; 0: nothing can be born in it
}

// enter moves the calling thread into the cgroup.
func (g *pidsGroup) enter() error {
	_, err := unix.Write(g.tasks, []byte("0"))
	if errors.Is(err, unix.ENODEV) {
		return errGone
	}
	if err != nil {
		return fmt.Errorf("entering a cgroup: %w", err)
	}
	return nil
}

// ready reports whether the cgroup is empty, but for the spawner's thread
// where occupied, and so can be used for a run. Zombies count as well: they
// would take from the run's limit. Where it can, its limit is max.
func (g *pidsGroup) ready(occupied bool, max int) (bool, error) {
	var buf [32]byte
	text, err := readAgain(g.current, buf[:])
	if err != nil {
		return false, fmt.Errorf("counting the processes in a cgroup: %w", err)
	}
	count, ok := procfs.ParseNumber(bytes.TrimSpace(text))
	if !ok || count > 1 || count == 1 && !occupied {
		return false, nil
	}
	if g.limit == max {
		return true, nil
	}
	// The spawner's thread is counted, too.
	if _, err := unix.Write(g.max, []byte(strconv.Itoa(max+1))); err != nil {
		return false, fmt.Errorf("limiting processes: %w", err)
	}
	g.limit = max
	return true, nil
}

func (g *pidsGroup) freeze() {
	unix.Write(g.max, []byte("0"))
	g.limit = 0
}

func (g *pidsGroup) release() {
	g.limiter.mu.Lock()
	defer g.limiter.mu.Unlock()
	g.limiter.free = append(g.limiter.free, g)
}

func (g *pidsGroup) close() {
	for _, fd := range []int{g.tasks, g.max, g.current} {
		unix.Close(fd)
	}
}
