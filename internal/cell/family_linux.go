package cell

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// familyBlock makes cells without cgroups. The program is a subreaper, so
// that each process of a run is a descendant of the run's leader or, once
// orphaned, a child of this program (or a descendant of such a child). To
// which run an orphan belongs is told by its session or by a variable in its
// environment. One that has shed both is told from the program's other
// children by its user and by no_new_privs, which nobody sheds; it is ended
// with whichever run ends first.
type familyBlock struct {
	config Config
	id     string // of all runs of this block, random
	last   atomic.Int64
	// strays says whether orphans without a mark can be told from the
	// children of the program around.
	strays bool

	mu      sync.Mutex
	leaders map[int]bool // guarded by mu
}

// runVariable is the environment variable that marks the processes of a run.
const runVariable = "AGENT_RUN"

func openFamilies(config Config) (*familyBlock, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming the reaper of orphaned processes: %w", err)
	}
	own, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	b := &familyBlock{config: config, id: rand.Text(), leaders: map[int]bool{}}
	b.strays = config.NoNewPrivs && err == nil && own == 0
	return b, nil
}

func (b *familyBlock) kind() string { return "subreaper" }

func (b *familyBlock) open() (cell, error) {
	return &family{block: b, mark: fmt.Sprintf("%s=%s-%d", runVariable, b.id, b.last.Add(1)), seen: map[int]bool{}}, nil
}

func (b *familyBlock) close() error { return nil }

func (b *familyBlock) isLeader(pid int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.leaders[pid]
}

// family is a cell.
type family struct {
	block  *familyBlock
	mark   string
	leader int
	seen   map[int]bool // members: the dead carry no mark
}

// start holds the lock, so that whoever sees the leader among the children
// and then asks for the lock finds it registered: else it could be taken for
// an orphan.
func (f *family) start(l launch) (*process, error) {
	l.env = append(slices.Clip(l.env), f.mark)
	f.block.mu.Lock()
	defer f.block.mu.Unlock()
	p, err := startProcess(l)
	if err == nil {
		f.leader = p.pid
		f.block.leaders[f.leader] = true
	}
	return p, err
}

// members looks again until it has waited for all the dead: while it looks, a
// process may die that has children, and they become children of this program.
func (f *family) members() ([]int, error) {
	for {
		kids, err := children()
		if err != nil {
			return nil, err
		}
		led := slices.Contains(kids, f.leader)
		roots := slices.DeleteFunc(kids, func(pid int) bool { return !f.adopted(pid) })
		if len(roots) == 0 && !led {
			return nil, nil
		}
		all, err := readStats()
		if err != nil {
			return nil, fmt.Errorf("looking for the processes of a run: %w", err)
		}
		living := f.descendants(all, roots)
		for _, pid := range roots {
			if reap(pid) || slices.Contains(living, pid) {
				continue
			}
			living = append(living, pid) // its first thread is dead, others are not
		}
		for _, pid := range living {
			f.seen[pid] = true
		}
		if len(living) > 0 || led {
			return living, nil
		}
	}
}

// descendants returns the living processes below the roots and the leader,
// the roots too.
func (f *family) descendants(all []stat, roots []int) []int {
	within := map[int]bool{f.leader: true}
	for _, pid := range roots {
		within[pid] = true
	}
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if !within[s.pid] && (within[s.ppid] || s.session == f.leader) {
				within[s.pid] = true
				grown = true
			}
		}
	}
	delete(within, f.leader)
	for _, s := range all {
		if s.zombie {
			delete(within, s.pid)
		}
	}
	return slices.Collect(maps.Keys(within))
}

// adopted says whether a child of this program is an orphan of this run.
func (f *family) adopted(pid int) bool {
	if f.block.isLeader(pid) {
		return false
	}
	s, err := readStat(pid)
	if err != nil {
		return false
	}
	if s.session == f.leader || f.seen[pid] {
		return true
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil && !s.zombie {
		return false
	}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if strings.HasPrefix(variable, runVariable+"=") {
			return variable == f.mark
		}
	}
	return f.block.strays && f.block.stray(pid)
}

// stray says whether a child without a mark came from a run.
func (b *familyBlock) stray(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1\n") {
		return false
	}
	uid := uint32(os.Getuid())
	if b.config.User != nil {
		uid = b.config.User.UID
	}
	return strings.Contains(string(status), fmt.Sprintf("Uid:\t%d\t", uid))
}

// signal reaches the leader's process group at once, also those in it that
// are being born, then the others one by one.
func (f *family) signal(sig syscall.Signal) error {
	syscall.Kill(-f.leader, sig)
	pids, err := f.members()
	for _, pid := range append(pids, f.leader) {
		syscall.Kill(pid, sig)
	}
	return err
}

func (f *family) usage(*Usage) {}

func (f *family) vacated() bool { return false }

func (f *family) close() error {
	f.block.mu.Lock()
	defer f.block.mu.Unlock()
	delete(f.block.leaders, f.leader)
	return nil
}
