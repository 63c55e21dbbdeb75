package cell

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/procfs"
)

// familyBlock makes cells without cgroups. The program is a subreaper, so each
// process of a run is a descendant of the run's leader or, once orphaned, a
// child of this program (or a descendant of such a child).
//
// An orphan belongs to the run whose session it is in: a process can leave its
// session, but cannot join another one. An orphan that has left its session
// belongs to the run that ends next. If no run is active, the [reaper] kills
// it.
//
// If the program cannot become a subreaper, orphans are found by their session
// alone.
type familyBlock struct {
	orphans orphanage
	adopts  bool // orphans become children of this program
}

// becomeSubreaper fails under some emulators of Linux, such as qemu-user.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	return nil
}

func openFamilies(config Config, becomeSubreaper func() error) *familyBlock {
	err := becomeSubreaper()
	if err != nil {
		config.Logger.Warn("processes of a command can escape by leaving its session", "reason", err)
	}
	return &familyBlock{orphans: newOrphanage(config), adopts: err == nil}
}

func (b *familyBlock) kind() string {
	if b.adopts {
		return "subreaper"
	}
	return "process group"
}

func (b *familyBlock) enforced(Limits) Limits { return Limits{} }

func (b *familyBlock) open(Limits) (cell, error) {
	return &family{block: b, seen: map[int]bool{}}, nil
}

func (b *familyBlock) close() error { return nil }

// family is a cell.
type family struct {
	block  *familyBlock
	leader int
	seen   map[int]bool // members found earlier
}

func (f *family) start(l launch, p *process) error {
	err := p.start(l)
	f.leader = p.pid
	return err
}

// members repeats its search until it has reaped all the dead: a process may
// die meanwhile, and its children then become children of this program.
func (f *family) members() ([]int, error) {
	for {
		roots, err := f.adopted()
		if err != nil {
			return nil, err
		}
		led := leaders.has(f.leader)
		if len(roots) == 0 && !led && f.block.adopts {
			return nil, nil
		}
		table, err := readTable()
		if err != nil {
			return nil, fmt.Errorf("finding the processes of a run: %w", err)
		}
		living := f.descendants(table, roots)
		for _, pid := range roots {
			if !reap(pid) && !slices.Contains(living, pid) {
				living = append(living, pid)
			}
		}
		for _, pid := range living {
			f.seen[pid] = true
		}
		if len(living) > 0 || led || !f.block.adopts {
			return living, nil
		}
	}
}

// adopted returns the children of this program that are orphans of this run, or
// of no run.
func (f *family) adopted() ([]int, error) {
	if !f.block.adopts {
		return nil, nil
	}
	kids, err := children()
	return slices.DeleteFunc(kids, func(pid int) bool {
		s, err := procfs.ReadStat(pid)
		switch {
		case leaders.has(pid):
			return true
		case err == nil && s.Session == f.leader, f.seen[pid]:
			return false
		case err == nil && leaders.has(s.Session):
			return true // belongs to another run
		}
		return !f.block.orphans.holds(pid, s, err == nil)
	}), err
}

// descendants returns the living processes below the roots and the leader, and
// the roots themselves.
func (f *family) descendants(table []tableEntry, roots []int) []int {
	within := map[int]bool{f.leader: true}
	for _, pid := range roots {
		within[pid] = true
	}
	for grown := true; grown; {
		grown = false
		for _, p := range table {
			if !within[p.pid] && (within[p.Parent] || p.Session == f.leader) {
				within[p.pid] = true
				grown = true
			}
		}
	}
	delete(within, f.leader)
	for _, p := range table {
		if p.Dead() {
			delete(within, p.pid)
		}
	}
	return slices.Collect(maps.Keys(within))
}

// signal signals the leader's process group at once, so that it also reaches
// processes that are being forked, then the others one by one.
func (f *family) signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		f.freeze()
	}
	syscall.Kill(-f.leader, sig)
	pids, err := f.members()
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
func (f *family) freeze() {
	stopped := map[int]bool{}
	for deadline := time.Now().Add(freezeTime); time.Now().Before(deadline); {
		syscall.Kill(-f.leader, syscall.SIGSTOP)
		pids, err := f.members()
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

func (f *family) usage(*Usage) {}

func (f *family) vacated() bool {
	left, err := f.members()
	return err == nil && len(left) == 0
}

func (f *family) close() error { return nil }
