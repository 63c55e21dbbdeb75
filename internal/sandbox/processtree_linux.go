package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// subreaperBackend makes sandboxes without cgroups. The program is a subreaper, so each
// process of a run is a descendant of the run's leader. Once orphaned, it is a child of
// this program, or a descendant of such a child.
//
// An orphan belongs to the run whose session it is in: a process can leave its
// session, but cannot join another one. An orphan that has left its session
// belongs to the run that ends next. If no run is active, the [reaper] kills
// it.
//
// If the program cannot become a subreaper, orphans are found by their session
// alone.
type subreaperBackend struct {
	orphans   orphanFilter
	subreaper bool // orphans become children of this program
}

// becomeSubreaper fails under some emulators of Linux, such as qemu-user.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	return nil
}

func openSubreaper(config Config, becomeSubreaper func() error) *subreaperBackend {
	err := becomeSubreaper()
	if err != nil {
		config.Logger.Warn("processes of a command can escape by leaving its session", "reason", err)
	}
	return &subreaperBackend{orphans: newOrphanFilter(config), subreaper: err == nil}
}

func (b *subreaperBackend) kind() string {
	if b.subreaper {
		return "subreaper"
	}
	return "process group"
}

func (b *subreaperBackend) enforced(Limits) Limits { return Limits{} }

func (b *subreaperBackend) open(Limits) (sandbox, error) {
	return &processTree{backend: b, seen: map[int]bool{}}, nil
}

func (b *subreaperBackend) close() error { return nil }

// processTree is a sandbox: a leader and its descendants, orphans included.
type processTree struct {
	backend *subreaperBackend
	leader  int
	seen    map[int]bool // members found earlier
}

func (t *processTree) start(l launch, p *process) error {
	err := p.start(l)
	t.leader = p.pid
	return err
}

// members repeats its search until it has reaped all the dead: a process may
// die meanwhile, and its children then become children of this program.
func (t *processTree) members() ([]int, error) {
	for {
		roots, err := t.ownOrphans()
		if err != nil {
			return nil, err
		}
		led := leaders.has(t.leader)
		if len(roots) == 0 && !led && t.backend.subreaper {
			return nil, nil
		}
		table, err := readTable()
		if err != nil {
			return nil, fmt.Errorf("finding the processes of a run: %w", err)
		}
		living := t.descendants(table, roots)
		for _, pid := range roots {
			if !reap(pid) && !slices.Contains(living, pid) {
				living = append(living, pid)
			}
		}
		for _, pid := range living {
			t.seen[pid] = true
		}
		if len(living) > 0 || led || !t.backend.subreaper {
			return living, nil
		}
	}
}

// ownOrphans returns the children of this program that are orphans of this run, or
// of no run.
func (t *processTree) ownOrphans() ([]int, error) {
	if !t.backend.subreaper {
		return nil, nil
	}
	kids, err := children()
	return slices.DeleteFunc(kids, func(pid int) bool {
		s, err := procfs.ReadStat(pid)
		switch {
		case leaders.has(pid):
			return true
		case err == nil && s.Session == t.leader, t.seen[pid]:
			return false
		case err == nil && leaders.has(s.Session):
			return true // belongs to another run
		}
		return !t.backend.orphans.isOrphan(pid, s, err == nil)
	}), err
}

// descendants returns the living processes below the roots and the leader, and
// the roots themselves.
func (t *processTree) descendants(table []tableEntry, roots []int) []int {
	within := map[int]bool{t.leader: true}
	for _, pid := range roots {
		within[pid] = true
	}
	for grown := true; grown; {
		grown = false
		for _, p := range table {
			if !within[p.pid] && (within[p.Parent] || p.Session == t.leader) {
				within[p.pid] = true
				grown = true
			}
		}
	}
	delete(within, t.leader)
	for _, p := range table {
		if p.Dead() {
			delete(within, p.pid)
		}
	}
	return slices.Collect(maps.Keys(within))
}

// signal signals the leader's process group at once, so that it also reaches
// processes that are being forked, then the others one by one.
func (t *processTree) signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		t.freeze()
	}
	syscall.Kill(-t.leader, sig)
	pids, err := t.members()
	for _, pid := range pids {
		syscall.Kill(pid, sig)
	}
	return err
}

// freezeTime limits the pursuit of a chain of processes, each of which starts
// the next and exits.
const freezeTime = 100 * time.Millisecond

// freeze stops all members with SIGSTOP until it finds no new one: a stopped
// process starts no other.
func (t *processTree) freeze() {
	stopped := map[int]bool{}
	for deadline := time.Now().Add(freezeTime); time.Now().Before(deadline); {
		syscall.Kill(-t.leader, syscall.SIGSTOP)
		pids, err := t.members()
		moving := slices.DeleteFunc(pids, func(pid int) bool { return stopped[pid] })
		if err != nil || len(moving) == 0 {
			return
		}
		for _, pid := range moving {
			syscall.Kill(pid, syscall.SIGSTOP)
			stopped[pid] = true
		}
	}
}

func (t *processTree) usage(*Usage) {}

func (t *processTree) closeIfEmpty() bool {
	left, err := t.members()
	return err == nil && len(left) == 0
}

func (t *processTree) close() error { return nil }
