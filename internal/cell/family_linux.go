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

// familyBlock makes cells without cgroups. The program is a subreaper, so
// that each process of a run is a descendant of the run's leader or, once
// orphaned, a child of this program (or a descendant of such a child).
//
// An orphan belongs to the run in whose session it is: that is the one thing
// that it can leave but not choose. One that has left belongs to whichever run
// ends first; between runs, the [reaper] ends it.
//
// Where the program cannot become a subreaper, orphans are found by their
// session alone.
type familyBlock struct {
	orphans orphanage
	adopts  bool // orphans come to this program
}

// becomeSubreaper is not known to every emulator of Linux, qemu-user for one.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the reaper of orphaned processes: %w", err)
	}
	return nil
}

func openFamilies(config Config, becomeSubreaper func() error) *familyBlock {
	err := becomeSubreaper()
	if err != nil {
		config.Logger.Warn("a command's processes can escape by leaving its session", "reason", err)
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
	seen   map[int]bool // members that were found before
}

func (f *family) start(l launch, p *process) error {
	err := p.start(l)
	f.leader = p.pid
	return err
}

// members looks again until it has waited for all the dead: while it looks, a
// process may die that has children, and they become children of this program.
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
			return nil, fmt.Errorf("looking for the processes of a run: %w", err)
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

// adopted returns the children of this program that are orphans of this run,
// or of none.
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
			return true // another run's
		}
		return !f.block.orphans.holds(pid, s, err == nil)
	}), err
}

// descendants returns the living processes below the roots and the leader,
// the roots too.
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

// signal reaches the leader's process group at once, also those in it that
// are being born, then the others one by one.
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

// freezeTime bounds how long a chain of processes, each of which starts the
// next and exits, is run after.
const freezeTime = 100 * time.Millisecond

// freeze stops all members, and looks again until it finds none that moves: a
// process that is stopped starts no other.
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
