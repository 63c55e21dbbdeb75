// Package plugins manages the assigned plugins of a host. It installs them, runs them at
// their intervals or keeps them running, runs them on demand, and remembers which are
// disabled. A [Runner] starts the processes, and an [Output] reads the metrics.
//
//	assigned      Set.Assign                                      set.go
//	   │
//	   ▼
//	installed     tried until it succeeds; updated, rolled back   install.go
//	   │          each change of a version logged and audited     versions.go
//	   ▼
//	run           at its interval, or when it is called           run.go calls.go
//	   │          or kept running                                 daemon.go
//	   │          unless it is disabled                           disabled.go
//	   ▼
//	result        counted, logged, sent as plugin.NAME            result.go
//
// Locks nest in the order Set.mu, daemon.mu, Assigned.mu. No lock is held while the Runner,
// the Output or the logger is called.
package plugins

import (
	"context"
	"log/slog"
	"path"
	"time"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/statefile"
)

// Plugin is a program that is to run on this host for a namespace. Its fields are those of
// the agent's own type.
type Plugin struct {
	Namespace string
	Name      string
	Repo      string
	Version   string
	Interval  time.Duration
	Args      []string
	Format    string
	Mode      string
}

// Key returns the identity of the plugin on a host.
func (p Plugin) Key() Key { return Key{p.Namespace, path.Base(p.Repo)} }

// Key identifies a plugin on a host.
type Key struct{ Namespace, Project string }

// String returns NAMESPACE/PROJECT.
func (k Key) String() string { return k.Namespace + "/" + k.Project }

// Release is the installed version of a plugin and its last run, as far as a [Runner] knows
// them. Unknown fields are empty.
type Release struct {
	Commit  string
	Version string // tag or commit; empty: it was the newest release
	Signer  string
	Format  string // from the plugin's own file, as the mode
	Mode    string
	Stderr  string // the end of the last finished run's standard error
}

// Runner fetches plugins and runs them. Its methods are called concurrently, but for one
// plugin at most one of Install, Update, Rollback and Remove at a time, and at most one
// of Run and RunDaemon.
type Runner interface {
	Install(ctx context.Context, p Plugin) error
	Update(ctx context.Context, p Plugin) error
	Rollback(ctx context.Context, p Plugin) error
	Remove(ctx context.Context, p Plugin) error
	// Run returns what the plugin wrote to its standard output, also beside an error.
	Run(ctx context.Context, p Plugin, args []string) (stdout []byte, err error)
	// RunDaemon runs the plugin until it ends or ctx does, and calls output with whole
	// lines as they come, from one goroutine.
	RunDaemon(ctx context.Context, p Plugin, args []string, output func(lines []byte) error) error
	Inspect(p Plugin) Release
}

// Output receives the output of plugins and the results of their runs.
type Output interface {
	// Send sends the metrics of a run, and does not wait until they are safe. sent is how
	// many it could read. The error says that nothing could be read.
	Send(p Plugin, printed pluginoutput.Print) (sent int, bad Bad, err error)
	// SendLines sends the metrics in lines of a daemon. It returns once they are safe,
	// or soon after ctx has ended.
	SendLines(ctx context.Context, p Plugin, lines pluginoutput.Print) Bad
	// Report sends the result of a run as a metric. kind is "regular" or "call".
	Report(p Plugin, kind, result string)
}

// Bad counts metrics that cannot be sent.
type Bad struct {
	Count int
	First error // the reason for the first one; nil if Count is 0
}

// How runs end. These words, and those of who has a version installed, are part of the
// agent's API.
const (
	OK          = "ok"
	Exited      = "exit"
	TimedOut    = "timeout"
	BadOutput   = "output"
	NotStarted  = "start"
	OutOfMemory = "memory"
	Refused     = "policy"
)

// Who asked for the installation of a version, as in the log and in the audit log.
const (
	ByRegistry = "registry"
	ByUpdate   = "update"
	ByRollback = "rollback"
)

// Errors are the caller's own errors, which its callers know.
type Errors struct {
	Running    error // wrapped when a plugin is called that runs
	RunAgain   error // wrapped by the Runner's error when a daemon is to be started again
	NoEarlier  error // wrapped by the Runner's error when there is no version to return to
	NotRunning error // of calls before Start
	Stopped    error // of calls after Wait

	// Failed makes the error of a run that ended with result.
	Failed func(result string, err error) error
	// Outcome returns the result and the exit status that the error of a run names. The
	// result is empty if it names none.
	Outcome func(err error) (result string, status int)
	// Refused reports whether the host's own config refuses a plugin.
	Refused func(err error) bool
}

// Config of a [Set].
type Config struct {
	Runner Runner // nil: plugins are not run
	Output Output
	State  statefile.Dir // remembers which plugins are disabled
	Logger *slog.Logger
	Audit  audit.Log // of changes of versions, and of plugins that are refused
	Errors Errors
}
