package cell

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// pidsV1 limits the number of processes of each run through the pids
// hierarchy of cgroup v1, where that controller is not in v2. The spawner's
// thread goes into a cgroup before it starts a process, and the process
// inherits it. See https://docs.kernel.org/admin-guide/cgroup-v1/pids.html
type pidsV1 struct {
	dir string
	max []byte

	mu   sync.Mutex
	free []string // guarded by mu: cgroups that no run uses
	made int      // guarded by mu
}

// maxMove is what a change of cgroup may cost. Old kernels need milliseconds.
const maxMove = 2 * time.Millisecond

func openPidsV1(max int) (*pidsV1, error) {
	own, err := cgroupDir("pids", "cgroup", "pids")
	if err != nil {
		return nil, err
	}
	removeStale(own)
	dir, err := makeBlockDir(own)
	if err != nil {
		return nil, err
	}
	p := &pidsV1{dir: dir, max: []byte(strconv.Itoa(max))}
	tried := make(chan error)
	onOwnThread(func() { tried <- p.try() })
	if err := <-tried; err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// try moves the calling thread.
func (p *pidsV1) try() error {
	began := time.Now()
	if err := enterTasks(p.dir); err != nil {
		return err
	}
	if took := time.Since(began); took > maxMove {
		return fmt.Errorf("changing a thread's cgroup takes %v here", took)
	}
	return nil
}

// enterTasks moves the calling thread into a cgroup.
func enterTasks(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "tasks"), []byte("0"), 0); err != nil {
		return fmt.Errorf("entering a cgroup: %w", err)
	}
	return nil
}

// limit is called by the spawner's thread.
func (p *pidsV1) limit() (release func(), err error) {
	dir, err := p.take()
	if err != nil {
		return nil, err
	}
	release = func() { p.give(dir) }
	if err := enterTasks(dir); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// take returns a cgroup for a run.
func (p *pidsV1) take() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		dir := p.free[n-1]
		p.free = p.free[:n-1]
		return dir, nil
	}
	p.made++
	dir := filepath.Join(p.dir, strconv.Itoa(p.made))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a cgroup: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), p.max, 0); err != nil {
		return "", errors.Join(fmt.Errorf("limiting processes: %w", err), os.Remove(dir))
	}
	return dir, nil
}

func (p *pidsV1) give(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, dir)
}

// close is called when no thread is in the cgroups any more.
func (p *pidsV1) close() { removeCgroup(p.dir) }
