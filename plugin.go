package agent

import (
	"context"
	"errors"
	"time"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/plugins"
)

// Plugin is a program that is to run on this host for a namespace.
type Plugin struct {
	Namespace string `json:"namespace"`
	// Name begins with "PLUGIN." and is the beginning of the names of the plugin's
	// metrics.
	Name string `json:"name"`
	// Repo is the path ORG/PROJECT of the plugin's repository, or
	// ORG/SUBGROUP/PROJECT. Namespace and PROJECT together identify a plugin
	// on a host.
	Repo string `json:"repo"`
	// Version is the tag or the full commit to install. Empty: the newest release at the
	// time of the installation or update.
	Version string `json:"version,omitempty"`
	// Interval between the starts of two runs. Zero: the plugin runs on
	// demand only (see [Agent.RunPlugin]).
	Interval time.Duration `json:"interval"`
	Args     []string      `json:"args,omitempty"`
	// Format of its output: json, influx, prometheus or nagios. Empty: the format in its
	// plugin.toml (see [PluginDetails]), else json.
	Format string `json:"format,omitempty"`
	// Mode is "run", for a program that ends, or "daemon", for one that is started
	// once, is kept running, and prints as it goes. Empty: the mode in its plugin.toml,
	// else "run".
	Mode string `json:"mode,omitempty"`
}

// The values of a plugin's Mode.
const (
	ModeRun    = manifest.Run
	ModeDaemon = manifest.Daemon
)

// PluginRunner fetches plugins and runs them. See [WithPluginRunner].
//
// Its methods are called concurrently. But for one plugin there is at most one call of
// Install, Update and the methods of [PluginRemover] and [PluginRollbacker] at a time, and
// never two Runs. A runner that is a [Closer] is closed when the agent has stopped.
type PluginRunner interface {
	// Install installs the plugin, in its Version if it has one. It does nothing if the
	// last successful Install, Update or Rollback had the same Version. If Install fails,
	// the former version stays, or nothing is installed.
	//
	// The error of Install, Update and Run is or wraps a [*PolicyError] if the host's own
	// config does not allow it.
	Install(ctx context.Context, p Plugin) error
	// Update fetches the plugin's Version again or, if it has none, its newest release. If
	// it fails, the installed version stays. A run under way is not disturbed.
	Update(ctx context.Context, p Plugin) error
	// Run runs the plugin with args and returns its standard output, also with an error.
	// When ctx ends, the plugin is ended. No process of the plugin is left when Run
	// returns.
	//
	// The error is a [*RunError] if the plugin itself is to blame.
	Run(ctx context.Context, p Plugin, args []string) (stdout []byte, err error)
}

// ErrRunAgain is the error of RunDaemon when the runner has ended the plugin because it has
// to run in another way from now on, as another user for example. That is not a failure: the
// agent starts the plugin again, after a second.
var ErrRunAgain = errors.New("the plugin has to be started again")

// PluginDaemonRunner is an optional interface of a [PluginRunner] that runs plugins
// which do not end: those whose mode is "daemon".
type PluginDaemonRunner interface {
	// RunDaemon runs the plugin until it ends or ctx does. p.Interval is the interval of
	// the signal for a plugin that measures on one; it is not zero. RunDaemon calls
	// output with whole lines of the plugin's standard output as they come, from one
	// goroutine. While output has not returned, the plugin cannot print more. An error of
	// output ends the plugin. output must not keep the lines, and returns soon
	// after ctx has ended. No process of the plugin is left when RunDaemon returns.
	//
	// The error is a [*RunError] if the plugin itself is to blame, nil if it has exited
	// with 0, and [ErrRunAgain] if the runner has ended it.
	RunDaemon(ctx context.Context, p Plugin, args []string, output func(lines []byte) error) error
}

// Closer is an optional interface of a [PluginRunner] that has resources to release.
type Closer interface {
	// Close releases them, and returns soon after ctx has ended. It may be called more
	// than once.
	Close(ctx context.Context) error
}

// PluginRemover is an optional interface of a [PluginRunner] that keeps plugins on disk.
type PluginRemover interface {
	// Remove deletes a plugin that is no longer assigned. It may be called while the
	// plugin runs.
	Remove(ctx context.Context, p Plugin) error
}

// PluginRollbacker is an optional interface of a [PluginRunner] that keeps former versions of
// a plugin. See [Agent.RollbackPlugin].
type PluginRollbacker interface {
	// Rollback installs the version that was installed before. If it fails, the present
	// version stays. A run under way is not disturbed. The error is or wraps
	// [ErrNoEarlierVersion] if no former version is kept.
	//
	// The version stays until Update, or until Install with another Version than p's,
	// also after a restart.
	Rollback(ctx context.Context, p Plugin) error
}

// PluginInspector is an optional interface of a [PluginRunner] that knows more about its
// plugins than their output.
type PluginInspector interface {
	InspectPlugin(p Plugin) PluginDetails
}

// PluginDetails is what a [PluginInspector] knows about a plugin. Unknown fields are zero.
type PluginDetails struct {
	// Commit of the installed version. If there is one, the plugin runs even if Install
	// has failed.
	Commit string `json:"commit,omitempty"`
	// Version is the tag or commit by which the installed version was requested. Empty:
	// the newest release was requested.
	Version string `json:"version,omitempty"`
	// Since is when the version was installed.
	Since time.Time `json:"since,omitzero"`
	// By says who asked for it: "registry", "update" or "rollback".
	By string `json:"by,omitempty"`
	// Signer is the principal whose signature was verified. Empty: none was.
	Signer string `json:"signer,omitempty"`
	// Format of its output and Mode, as its plugin.toml says. Empty: it does not say.
	Format string `json:"format,omitempty"`
	Mode   string `json:"mode,omitempty"`
	// Cell is the kind of the sandbox that the plugin runs in: "cgroup", for example.
	Cell string `json:"cell,omitempty"`
	// User that it runs as.
	User string `json:"user,omitempty"`
	// NoNetwork is true if its runs have no network.
	NoNetwork bool `json:"no_network,omitempty"`
	// Confined names the restrictions of its runs. "writes": it writes only to its own
	// directories. "traces": it cannot trace processes of other runs, or read their memory
	// and environment. "signals": it cannot send signals to them. "syscalls": system calls
	// that no plugin needs fail. "tmp": it has its own /tmp. "states": it cannot read the
	// state of other plugins.
	Confined []string `json:"confined,omitempty"`
	// Unconfined says why some of these are missing. Empty: none is.
	Unconfined string `json:"unconfined,omitempty"`
	// Limits that hold for each of its runs. Nil: not known.
	Limits *PluginLimits `json:"limits,omitempty"`
	// StateLimit limits its own directory, in bytes. Zero: there is no limit.
	StateLimit int64 `json:"state_limit,omitempty"`
	// CPU time of the last finished run with all its children, in seconds.
	CPU float64 `json:"cpu,omitempty"`
	// PeakMemory of the last finished run in bytes.
	PeakMemory int64 `json:"peak_memory,omitempty"`
	// Stderr is the end of the standard error of the last finished run, at most 4 KiB.
	Stderr string `json:"stderr,omitempty"`
}

// PluginLimits are limits of a run with all its processes. Zero: there is no limit, for
// example because the host's cgroups cannot enforce one.
type PluginLimits struct {
	// Processes at a time, threads counted.
	Processes int `json:"processes"`
	// Memory in bytes.
	Memory int64 `json:"memory"`
	// CPU in cores.
	CPU float64 `json:"cpu"`
}

// PluginStatus is the status of an assigned plugin.
type PluginStatus struct {
	Namespace string `json:"ns"`
	Repo      string `json:"repo"`
	Name      string `json:"name"`
	Enabled   bool   `json:"enabled"`
	// DisabledUntil is when a disabled plugin is enabled again. Zero: it is enabled.
	DisabledUntil time.Time `json:"disabled_until,omitzero"`
	// Interval is in seconds; 0: the plugin runs on demand only.
	Interval float64 `json:"interval"`
	// Installed is true once the plugin can run. InstallError says why the
	// last attempt to install or update it failed.
	Installed    bool   `json:"installed"`
	InstallError string `json:"install_error,omitempty"`
	// Running is true while the plugin runs, or the one whose place it has taken.
	Running bool `json:"running"`
	// LastRun is the last finished run. Nil: there was none.
	LastRun *PluginResult `json:"last_run,omitempty"`
	// Runs, Failures and Invalid (metrics that could not be sent) are counted since the
	// start.
	Runs     int64 `json:"runs"`
	Failures int64 `json:"failures"`
	Invalid  int64 `json:"invalid"`
	// InvalidError names a metric of the last regular run that could not be sent,
	// by its index in the list and its name, and says why. Empty: all were sent.
	InvalidError string `json:"invalid_error,omitempty"`
	PluginDetails
}

// PluginResult is the result of one run.
type PluginResult struct {
	Time time.Time `json:"time"`
	// Duration is in seconds.
	Duration float64   `json:"duration"`
	Result   RunResult `json:"result"`
	// ExitCode is the exit status if Result is RunExit.
	ExitCode int    `json:"exit_code,omitempty"`
	Error    string `json:"error,omitempty"`
	// Stdout is the standard output of a run on demand. Other runs have none.
	Stdout []byte `json:"-"`
}

// RunResult is the result of a plugin's run in a word.
type RunResult string

// How runs end. In this order, the words are ok, exit, timeout, output, start, memory and
// policy.
const (
	RunOK      RunResult = plugins.OK
	RunExit    RunResult = plugins.Exited      // exited with a status other than 0, or by a signal of its own
	RunTimeout RunResult = plugins.TimedOut    // timed out
	RunOutput  RunResult = plugins.BadOutput   // wrote too much, or what is no list of metrics
	RunStart   RunResult = plugins.NotStarted  // could not be started
	RunMemory  RunResult = plugins.OutOfMemory // used more memory than it may
	RunPolicy  RunResult = plugins.Refused     // is not allowed by the host's own config
)

// Errors of the calls that name a plugin.
var (
	ErrNoPlugin      = errors.New("no such plugin is assigned to this host; a newly assigned one is known after the next update")
	ErrPluginRunning = errors.New("the plugin is running already")
	// ErrNoEarlierVersion means that a plugin has no former version to return to.
	ErrNoEarlierVersion = errors.New("there is no earlier version of the plugin on this host")
)

// PolicyError means that the host's own config does not allow installing or running a plugin.
type PolicyError struct {
	// Rule is the key of the config that refuses it, "policy.plugins" for
	// example.
	Rule string
	Err  error
}

func (e *PolicyError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *PolicyError) Unwrap() error { return e.Err }

// RunError is the error of a run that failed because of the plugin.
type RunError struct {
	Result RunResult
	// ExitCode is the plugin's exit status if Result is RunExit, and -1 if a signal ended
	// it.
	ExitCode int
	Err      error
}

func (e *RunError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }
