// Package cell runs a command so that nothing of it outlives the run.
//
// A command runs in a cell. Whatever it starts belongs to the cell, however it
// hides (setsid, double forks, an emptied environment, a descriptor held open).
// A run ends when the command exits, when its context ends, or when it writes
// more than it may. Then the cell is emptied: SIGTERM to all processes, SIGKILL
// after a grace period.
//
//	              ┌────────────── Warden ──────────────┐
//	Run(ctx) ───► │ cell ◄── spawner ──► leader ─► …   │ ───► Result
//	              │  (cgroup, or subreaper, or group)  │
//	              └────────────────────────────────────┘
//
//	cell, run, ending, command, pipe       a run, its end, what it is given, what it writes
//	block, cgroup, leaf, family, group     the kinds of cells; cgroupbase, cgroupfs, blockdir: files of cgroups
//	v1                                     limits through cgroup v1
//	spawner, process, watch, leaders, attr starting a process, waiting for it
//	launch, program, vfork                 what it does between fork and exec
//	confinement, landlock, seccomp, network what is taken from it there
//	reaper, orphans                        orphans that come to this program
//
// On Linux the cell is a leaf in a cgroup v2 if the program may make one.
// Otherwise the program becomes a subreaper, so that orphans become its
// children. On other systems the cell is a process group (on Windows the
// process alone), and a command can escape from it. [Warden.Kind] returns the
// kind.
package cell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/budget"
)

// Config applies to all commands of a [Warden]. The zero value is usable.
type Config struct {
	// NoNewPrivs keeps the commands from gaining privileges through set-uid
	// programs (Linux only). A subreaper also needs it to distinguish orphans
	// of the commands from children of the program itself. Without it, or if
	// the program itself has no_new_privs set, children of the program in other
	// sessions are taken for processes of a command.
	NoNewPrivs bool
	// Umask of the commands (Linux only; elsewhere the program's own).
	Umask int
	// Limits of a command that has none of its own, where a cgroup can enforce
	// them.
	Limits Limits
	// MaxOutputs is how many bytes of memory the standard outputs of all commands
	// that run at a time may take together, beyond the first 64 KiB of each.
	// Zero: no limit.
	MaxOutputs int64
	// Grace is the time between SIGTERM and SIGKILL. Zero means 2 s.
	Grace time.Duration
	// NoCgroup switches cgroups off.
	NoCgroup bool
	// Logger for problems that are not the result of a run. Nil: no logging.
	Logger *slog.Logger
}

// User is who a command runs as.
type User struct {
	UID, GID uint32
	// Groups are the supplementary groups.
	Groups []uint32
}

// Limits of a command, with all its processes. Zero: there is none.
type Limits struct {
	// Processes at a time, threads counted.
	Processes int
	// Memory in bytes.
	Memory int64
	// CPU in cores.
	CPU float64
}

// or returns the limits, with others in place of what they leave out.
func (l Limits) or(others Limits) Limits {
	return Limits{Processes: cmp.Or(l.Processes, others.Processes), Memory: cmp.Or(l.Memory, others.Memory), CPU: cmp.Or(l.CPU, others.CPU)}
}

// ErrClosed is returned by [Warden.Run] after [Warden.Close].
var ErrClosed = errors.New("the run cells are closed")

// errGone means that another program has removed the cgroup of a cell. Opening
// a new cell makes it again.
var errGone = errors.New("another program has removed its cgroup")

// Warden runs commands in cells. Its methods may be called concurrently.
type Warden struct {
	config  Config
	block   block
	limiter limiter // nil if the block limits, or nothing does
	spawner *spawner
	reaper  *reaper // nil if no orphans become children of this program
	watches watches
	null    descriptor
	outputs *budget.Budget // nil: no limit

	mu           sync.Mutex
	runs         sync.WaitGroup // incremented under mu
	released     chan struct{}  // made under mu by the first Close; closed when all is released
	releaseError error          // set before released is closed
}

// block is a kind of cells, and opens them.
type block interface {
	kind() string
	// enforced returns those of the limits that a cell can have.
	enforced(Limits) Limits
	// open makes an empty cell with those of the limits that it can have.
	open(Limits) (cell, error)
	// close releases what the block holds once its cells are closed.
	close() error
}

// cell holds the processes of one run.
type cell interface {
	// start starts the leader, p, as a member.
	start(l launch, p *process) error
	// members returns the living processes without the leader.
	members() ([]int, error)
	// signal sends a signal to all members, and perhaps to the leader.
	signal(sig syscall.Signal) error
	// usage adds the resource usage that the cell knows.
	usage(u *Usage)
	// vacated is called after the leader was reaped. It closes the cell if one
	// look shows that it is empty, and reports whether it did.
	vacated() bool
	// close releases an empty cell.
	close() error
}

// limiter limits a run where its cell cannot.
type limiter interface {
	// enforced returns those of the limits that it can set.
	enforced(Limits) Limits
	take(Limits) (limit, error)
	close()
}

// limit is what limits one run.
type limit interface {
	// files returns descriptors. A process that writes 0 to each is under the
	// limit.
	files() []int
	// freeze keeps its processes from starting others.
	freeze()
	// usage adds the resource usage that it knows.
	usage(u *Usage)
	// release gives the limit back.
	release()
}

// Open prepares for running commands. On Linux it starts one operating system
// thread. Two effects concern the calling program as a whole. Without cgroups,
// it becomes a subreaper (PR_SET_CHILD_SUBREAPER) for the rest of its life. And
// each command sets the program's open descriptors to close-on-exec, as Go does
// with those that it opens.
func Open(config Config) (*Warden, error) {
	if config.Grace <= 0 {
		config.Grace = 2 * time.Second
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	null, err := openNull()
	if err != nil {
		return nil, fmt.Errorf("opening the commands' standard input: %w", err)
	}
	block, limiter, err := openBlock(config)
	if err != nil {
		null.close()
		return nil, err
	}
	w := &Warden{config: config, block: block, limiter: limiter, watches: watches{none: !hasPidfds()}, null: null}
	if config.MaxOutputs > 0 {
		w.outputs = budget.New(config.MaxOutputs)
	}
	if w.spawner, err = newSpawner(config); err != nil {
		return nil, errors.Join(err, w.release())
	}
	w.reaper = startReaper(config, w.Kind() == "subreaper")
	return w, nil
}

// Kind returns the kind of the cells: "cgroup", "subreaper", "process group"
// or "process".
func (w *Warden) Kind() string { return w.block.kind() }

// Enforced returns the limits that hold on this host for a command with the given
// ones.
func (w *Warden) Enforced(limits Limits) Limits {
	limits = limits.or(w.config.Limits)
	held := w.block.enforced(limits)
	if w.limiter != nil {
		held = held.or(w.limiter.enforced(limits))
	}
	return held
}

// Close waits until ctx ends for the runs to end, and for processes that
// SIGKILL has not ended. It does not end runs. It may be called more than once:
// each call waits, and what the warden holds is released when the runs have ended,
// also where that is after the last call.
func (w *Warden) Close(ctx context.Context) error {
	w.mu.Lock()
	if w.released == nil {
		w.released = make(chan struct{})
		go w.releaseAfterRuns()
	}
	w.mu.Unlock()
	select {
	case <-w.released:
		return w.releaseError
	case <-ctx.Done():
		return fmt.Errorf("waiting for commands to end: %w", ctx.Err())
	}
}

func (w *Warden) releaseAfterRuns() {
	defer close(w.released)
	w.runs.Wait()
	w.spawner.close()
	w.reaper.close()
	w.releaseError = w.release()
}

func (w *Warden) release() error {
	if w.limiter != nil {
		w.limiter.close()
	}
	w.watches.close()
	w.null.close()
	return w.block.close()
}

// begin counts a run, and returns false if the warden is closed.
func (w *Warden) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.released != nil {
		return false
	}
	w.runs.Add(1)
	return true
}
