// Package sandbox runs commands and lets none of their processes outlive the run.
//
// Each command runs in a sandbox of its own. Every process that it starts belongs to
// the sandbox, however the process hides (setsid, double forks, an emptied
// environment, a descriptor held open). A run ends when the command exits, when its
// context ends, or when it exceeds the limit of its output. Then all processes of the
// sandbox get SIGTERM, and SIGKILL after a grace period.
//
//	              ┌────────────── Supervisor ──────────────┐
//	Run(ctx) ───► │  sandbox ◄── spawner ──► leader ─► …   │ ───► Result
//	              │  (cgroup, process tree, process group) │
//	              └────────────────────────────────────────┘
//
//	sandbox, run, ending         the supervisor, a run, its end
//	command, pipe, prompter      what a command is given, its output and input
//	backend                      chooses the kind of sandboxes
//	cgroup, cgroupbackend        sandboxes that are cgroups (v2)
//	parentcgroup, cgroupbase, cgroupfs  where these are, and their files
//	processtree, processgroup    sandboxes without cgroups
//	cgroupv1                     limits through cgroup v1
//	spawner, process, exitwaiter, leaders, attr  starting a process, waiting for its exit
//	launch, preexec, vfork       what a new process does between fork and exec
//	confine, confinement, landlock, seccomp, network  what is forbidden to it there
//	reaper, orphans              orphans that become children of this program
//
// On Linux a sandbox is a cgroup v2 if the program may make one. Otherwise the program
// becomes a subreaper: orphans become its children, and a sandbox is a process tree.
// On other systems a sandbox is a process group (on Windows the command's own process),
// and a command can escape from it. [Supervisor.Kind] returns the kind.
package sandbox

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

// Config applies to all commands of a [Supervisor]. The zero value is usable.
type Config struct {
	// NoNewPrivs keeps the commands from gaining privileges through set-uid
	// programs (Linux only). A subreaper also needs it to distinguish orphans
	// of the commands from children of the program itself. Without it, or if
	// the program itself has no_new_privs set, children of the program in other
	// sessions are taken for processes of a command.
	NoNewPrivs bool
	// Umask of the commands (Linux only; elsewhere the program's own).
	Umask int
	// Limits of a command that has none of its own, if a cgroup can enforce
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

// ErrClosed is returned by [Supervisor.Run] after [Supervisor.Close].
var ErrClosed = errors.New("the sandboxes are closed")

// errCgroupRemoved means that another program has removed the cgroup of a sandbox. A
// new sandbox has a new one.
var errCgroupRemoved = errors.New("another program has removed its cgroup")

// Supervisor starts commands in sandboxes, watches them, and ends their processes. Its
// methods may be called concurrently.
type Supervisor struct {
	config  Config
	backend backend
	limiter limiter // nil if the backend sets the limits, or nothing can
	spawner *spawner
	reaper  *reaper // nil if no orphans become children of this program
	waiters exitWaiters
	null    descriptor
	outputs *budget.Budget // nil: no limit

	mu           sync.Mutex
	runs         sync.WaitGroup // incremented under mu
	released     chan struct{}  // made under mu by the first Close; closed when all is released
	releaseError error          // set before released is closed
}

// backend makes sandboxes of one kind.
type backend interface {
	kind() string
	// enforced returns the limits without those that its sandboxes cannot have.
	enforced(Limits) Limits
	// open makes an empty sandbox with the limits that it can have.
	open(Limits) (sandbox, error)
	// close releases what the backend holds once its sandboxes are closed.
	close() error
}

// sandbox holds the processes of one run.
type sandbox interface {
	// start starts the leader, p, as a member.
	start(l launch, p *process) error
	// members returns the living processes without the leader.
	members() ([]int, error)
	// signal sends a signal to all members, and perhaps to the leader.
	signal(sig syscall.Signal) error
	// usage adds the resource usage that the sandbox knows.
	usage(u *Usage)
	// closeIfEmpty is called after the leader was reaped. It looks once, closes the
	// sandbox if that is empty, and reports whether it did.
	closeIfEmpty() bool
	// close releases an empty sandbox.
	close() error
}

// limiter limits a run where its sandbox cannot.
type limiter interface {
	// enforced returns the limits without those that it cannot set.
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
func Open(config Config) (*Supervisor, error) {
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
	backend, limiter, err := openBackend(config)
	if err != nil {
		null.close()
		return nil, err
	}
	s := &Supervisor{config: config, backend: backend, limiter: limiter, waiters: exitWaiters{none: !hasPidfds()}, null: null}
	if config.MaxOutputs > 0 {
		s.outputs = budget.New(config.MaxOutputs)
	}
	if s.spawner, err = newSpawner(config); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.reaper = startReaper(config, s.Kind() == "subreaper")
	return s, nil
}

// Kind returns the kind of the sandboxes: "cgroup", "subreaper", "process group"
// or "process".
func (s *Supervisor) Kind() string { return s.backend.kind() }

// Enforced returns the limits that hold on this host for a command with the given
// ones.
func (s *Supervisor) Enforced(limits Limits) Limits {
	limits = limits.or(s.config.Limits)
	held := s.backend.enforced(limits)
	if s.limiter != nil {
		held = held.or(s.limiter.enforced(limits))
	}
	return held
}

// Close waits for the runs to end, and for processes that SIGKILL has not ended, but
// not longer than until ctx ends. It does not end runs. It may be called more than
// once, and each call waits. The supervisor's resources are released when the runs have
// ended, even if that is after the last call.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.released == nil {
		s.released = make(chan struct{})
		go s.releaseAfterRuns()
	}
	s.mu.Unlock()
	select {
	case <-s.released:
		return s.releaseError
	case <-ctx.Done():
		return fmt.Errorf("waiting for commands to end: %w", ctx.Err())
	}
}

func (s *Supervisor) releaseAfterRuns() {
	defer close(s.released)
	s.runs.Wait()
	s.spawner.close()
	s.reaper.close()
	s.releaseError = s.release()
}

func (s *Supervisor) release() error {
	if s.limiter != nil {
		s.limiter.close()
	}
	s.waiters.close()
	s.null.close()
	return s.backend.close()
}

// begin counts a run, and returns false if the supervisor is closed.
func (s *Supervisor) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released != nil {
		return false
	}
	s.runs.Add(1)
	return true
}
