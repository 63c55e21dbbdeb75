// Package cell runs a command so that nothing of it outlives the run.
//
// A command runs in a cell: whatever it starts, however it hides (setsid,
// double forks, an emptied environment, a descriptor held open), belongs to
// the cell. A run ends when the command exits, when its context ends, or when
// it writes more than it may. Then the cell is emptied: SIGTERM to all
// processes, SIGKILL after a grace period.
//
//	              ┌────────────── Warden ──────────────┐
//	Run(ctx) ───► │ cell ◄── spawner ──► leader ─► …   │ ───► Result
//	              │  (cgroup, or subreaper, or group)  │
//	              └────────────────────────────────────┘
//
//	cell, run, ending, command, pipe       a run, its end, what it is given, what it writes
//	block, cgroup, leaf, family, group     the kinds of cells; cgroupbase, cgroupfs, blockdir: files of cgroups
//	pids                                   the limit of processes through cgroup v1
//	spawner, process, watch, leaders, attr starting a process, waiting for it
//	network, landlock, confinement         starting one without network, or with few rights
//	reaper, orphans                        orphans that come to this program
//
// On Linux the cell is a leaf in a cgroup v2 where the program may make one.
// Elsewhere the program becomes a subreaper, so that orphans come to it. On
// other systems the cell is a process group (on Windows the process alone),
// from which a command can escape; [Warden.Kind] tells.
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
)

// Config says what holds for all the commands of a [Warden]. The zero value
// is usable.
type Config struct {
	// NoNewPrivs keeps the commands from gaining privileges through set-uid
	// programs (Linux only). Where the program becomes a subreaper it also
	// tells what the commands leave from the program's own children; without
	// it, or where the program itself has it, children of the program that
	// are not in its session are taken for processes of a command.
	NoNewPrivs bool
	// Umask of the commands (Linux only; elsewhere the program's own).
	Umask int
	// Limits of a command that has none of its own, where a cgroup can enforce
	// them.
	Limits Limits
	// Grace is the time between SIGTERM and SIGKILL. Zero means 2 s.
	Grace time.Duration
	// NoCgroup makes the warden do without cgroups.
	NoCgroup bool
	// Logger for what goes wrong beside a run. Nil: nothing is logged.
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

// errGone says that another program has removed the cgroup of a cell. A new
// cell makes it again.
var errGone = errors.New("its cgroup has been removed by another program")

// Warden runs commands in cells. Its methods may be called concurrently.
type Warden struct {
	config  Config
	block   block
	limiter limiter // nil where the block limits, or nothing does
	spawner *spawner
	reaper  *reaper // nil where no orphans come to this program
	watches watches
	null    descriptor

	mu     sync.Mutex
	closed bool           // guarded by mu
	runs   sync.WaitGroup // incremented under mu
}

// block is a kind of cells: where they come from.
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
	// members returns the living processes but for the leader.
	members() ([]int, error)
	// signal sends a signal to all members; it may reach the leader, too.
	signal(sig syscall.Signal) error
	// usage adds what the cell knows of the resources used.
	usage(u *Usage)
	// vacated closes the cell if it can be seen at once that it is empty, now
	// that the leader has been waited for, and reports whether it has.
	vacated() bool
	// close releases an empty cell.
	close() error
}

// limiter bounds the number of processes of a run from outside of its cell.
type limiter interface {
	// limit puts the calling thread, and so what it starts, under a limit of
	// its own: max processes. stays says that the thread starts others later.
	limit(max int, stays bool) (limit, error)
	close()
}

// limit is what a limiter has given to one run.
type limit interface {
	// freeze keeps what is in it from starting processes.
	freeze()
	// release gives the limit back.
	release()
}

// Open prepares for running commands. On Linux it starts one operating
// system thread. Two things concern the calling program as a whole: where
// cgroups cannot be used, it becomes a subreaper (PR_SET_CHILD_SUBREAPER), and
// stays one; and with each command its open descriptors are set to be closed
// on exec, as those opened by Go are.
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
		held.Processes = limits.Processes
	}
	return held
}

// Close waits for the runs to end, and for processes that did not die when
// they were killed, until ctx ends. It does not end runs. It may be called
// more than once.
func (w *Warden) Close(ctx context.Context) error {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return nil
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.runs.Wait()
		w.spawner.close()
		w.reaper.close()
	}()
	select {
	case <-over:
		return w.release()
	case <-ctx.Done():
		return fmt.Errorf("waiting for the end of commands: %w", ctx.Err())
	}
}

func (w *Warden) release() error {
	if w.limiter != nil {
		w.limiter.close()
	}
	w.watches.close()
	w.null.close()
	return w.block.close()
}

// begin counts a run in, unless the warden is closed.
func (w *Warden) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.runs.Add(1)
	return true
}
