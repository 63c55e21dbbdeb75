package agent

import (
	"context"
	"errors"
	"time"

	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/plugins"
)

// Plugin is a program that a namespace wants run on this host.
type Plugin struct {
	Namespace string `json:"namespace"`
	// Name begins with "PLUGIN." and is the beginning of the names of what
	// the plugin measures.
	Name string `json:"name"`
	// Repo is the path ORG/PROJECT of the plugin's repository, or
	// ORG/SUBGROUP/PROJECT. Namespace and PROJECT together identify a plugin
	// on a host.
	Repo string `json:"repo"`
	// Version is the tag or the full commit that is to be installed. Empty: the
	// newest release, at the time when it is installed or updated.
	Version string `json:"version,omitempty"`
	// Interval between the starts of two runs. Zero: the plugin runs on
	// demand only (see [Agent.RunPlugin]).
	Interval time.Duration `json:"interval"`
	Args     []string      `json:"args,omitempty"`
	// Format of its output: json, influx, prometheus or nagios. Empty: the one
	// that the plugin says itself (see [PluginDetails]), else json.
	Format string `json:"format,omitempty"`
	// Mode is "run", for a program that ends, or "daemon", for one that is started
	// once, is kept running, and prints as it goes. Empty: the one that the plugin
	// says itself, else "run".
	Mode string `json:"mode,omitempty"`
}

// The values of a plugin's Mode.
const (
	ModeRun    = manifest.Run
	ModeDaemon = manifest.Daemon
)

// PluginRunner fetches plugins and runs them. See [WithPluginRunner].
//
// Its methods are called concurrently, but for one plugin at most one of
// Install, Update and the methods of [PluginRemover] and [PluginRollbacker] at a
// time, and never two Runs. A runner that is a [Closer] is closed when the agent
// has stopped.
type PluginRunner interface {
	// Install sees to it that the plugin is present, in its Version where it has
	// one. It does nothing where it is already: where the last Install, Update or
	// Rollback that succeeded had the same Version. A failed Install leaves nothing
	// that could be run, or the version that was there before.
	//
	// The error of Install, Update and Run is or wraps a [*PolicyError] where
	// the host's own config does not allow it.
	Install(ctx context.Context, p Plugin) error
	// Update fetches the plugin's Version again or, where it has none, its newest
	// release, all or nothing. A run that is under way is not disturbed.
	Update(ctx context.Context, p Plugin) error
	// Run runs the plugin with args and returns what it wrote to its standard
	// output, also beside an error. When ctx ends, the plugin is ended. No
	// process of the plugin is left when Run returns.
	//
	// The error is a [*RunError] where the plugin itself is to blame.
	Run(ctx context.Context, p Plugin, args []string) (stdout []byte, err error)
}

// ErrRunAgain is the error of RunDaemon when the runner has ended the plugin because it has
// to run in another way from now on, as another user for example. That is not a failure: the
// agent starts the plugin again, after a second.
var ErrRunAgain = errors.New("the plugin has to be started again")

// PluginDaemonRunner is an optional interface of a [PluginRunner] that runs plugins
// which do not end: those whose mode is "daemon".
type PluginDaemonRunner interface {
	// RunDaemon runs the plugin until it ends or ctx does. p.Interval is how often a
	// plugin that measures on a signal gets one; it is not zero. RunDaemon calls
	// output with whole lines of the plugin's standard output as they come, from one
	// goroutine. While output has not returned, the plugin waits with what it prints;
	// an error of output ends it. output must not keep the lines, and returns soon
	// after ctx has ended. No process of the plugin is left when RunDaemon returns.
	//
	// The error is a [*RunError] where the plugin itself is to blame, nil where it has
	// exited with 0, and [ErrRunAgain] where the runner has ended it.
	RunDaemon(ctx context.Context, p Plugin, args []string, output func(lines []byte) error) error
}

// Closer is an optional interface of a [PluginRunner] that holds something.
type Closer interface {
	// Close releases it, and returns soon after ctx has ended. It may be called
	// more than once.
	Close(ctx context.Context) error
}

// PluginRemover is an optional interface of a [PluginRunner] that keeps something
// of a plugin on disk.
type PluginRemover interface {
	// Remove deletes what was installed of a plugin that is not assigned any
	// more. It may be called while the plugin runs.
	Remove(ctx context.Context, p Plugin) error
}

// PluginRollbacker is an optional interface of a [PluginRunner] that keeps the
// versions of a plugin that were installed before. See [Agent.RollbackPlugin].
type PluginRollbacker interface {
	// Rollback installs the version that was there before, all or nothing. A run
	// that is under way is not disturbed. The error is or wraps
	// [ErrNoEarlierVersion] where none is kept.
	//
	// What it installs stays until Update, or Install with another Version than
	// p's, also after a restart.
	Rollback(ctx context.Context, p Plugin) error
}

// PluginInspector is an optional interface of a [PluginRunner] that knows more of
// its plugins than their output.
type PluginInspector interface {
	InspectPlugin(p Plugin) PluginDetails
}

// PluginDetails is what a [PluginInspector] knows of a plugin. What it does
// not know is left zero.
type PluginDetails struct {
	// Commit of the installed version. Where Install has failed, the plugin runs
	// nevertheless if there is one.
	Commit string `json:"commit,omitempty"`
	// Version is the tag or commit that the installed version was asked for by.
	// Empty: it was the newest release.
	Version string `json:"version,omitempty"`
	// Since is when the version was installed.
	Since time.Time `json:"since,omitzero"`
	// By says by whose word: "registry", "update" or "rollback".
	By string `json:"by,omitempty"`
	// Signer is the principal whose signature was verified. Empty: none was.
	Signer string `json:"signer,omitempty"`
	// Format of its output and Mode, as the plugin says itself. Empty: it does not.
	Format string `json:"format,omitempty"`
	Mode   string `json:"mode,omitempty"`
	// Cell names what keeps the plugin's processes together, "cgroup" for
	// example.
	Cell string `json:"cell,omitempty"`
	// User that it runs as.
	User string `json:"user,omitempty"`
	// NoNetwork says that its runs have no network.
	NoNetwork bool `json:"no_network,omitempty"`
	// Confined names what its runs are kept from: "writes" (elsewhere than to its own
	// directories), "traces" (and reading memory and environment of what is not of the
	// run), "signals" (to what is not of the run), "syscalls" (that no plugin needs),
	// "tmp" (of the host: it has its own), "states" (of other plugins).
	Confined []string `json:"confined,omitempty"`
	// Unconfined says why not all of these hold. Empty: they do.
	Unconfined string `json:"unconfined,omitempty"`
	// Limits that hold for each of its runs. Nil: not known.
	Limits *PluginLimits `json:"limits,omitempty"`
	// StateLimit is how much it may keep in its own directory, in bytes. Zero: there
	// is no limit.
	StateLimit int64 `json:"state_limit,omitempty"`
	// CPU time in seconds that the last finished run used, with all its
	// children.
	CPU float64 `json:"cpu,omitempty"`
	// PeakMemory of the last finished run in bytes.
	PeakMemory int64 `json:"peak_memory,omitempty"`
	// Stderr is the end of what the last finished run wrote to its standard
	// error, 4 KiB at most.
	Stderr string `json:"stderr,omitempty"`
}

// PluginLimits are limits of a run with all its processes. Zero: there is none,
// for example because the host's cgroups offer none.
type PluginLimits struct {
	// Processes at a time, threads counted.
	Processes int `json:"processes"`
	// Memory in bytes.
	Memory int64 `json:"memory"`
	// CPU in cores.
	CPU float64 `json:"cpu"`
}

// PluginStatus tells about an assigned plugin.
type PluginStatus struct {
	Namespace string `json:"ns"`
	Repo      string `json:"repo"`
	Name      string `json:"name"`
	Enabled   bool   `json:"enabled"`
	// Interval is in seconds; 0: the plugin runs on demand only.
	Interval float64 `json:"interval"`
	// Installed is true once the plugin can run. InstallError says why the
	// last attempt to install or update it failed.
	Installed    bool   `json:"installed"`
	InstallError string `json:"install_error,omitempty"`
	// Running is true while the plugin runs, or the one whose place it has taken.
	Running bool `json:"running"`
	// LastRun is the last finished run, nil where there was none.
	LastRun *PluginResult `json:"last_run,omitempty"`
	// Runs and Failures count since the start, as Invalid does the metrics
	// that could not be sent.
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
	// ExitCode is the exit status where Result is RunExit.
	ExitCode int    `json:"exit_code,omitempty"`
	Error    string `json:"error,omitempty"`
	// Stdout is what the plugin wrote, of a run on demand only.
	Stdout []byte `json:"-"`
}

// RunResult says in a word how a plugin's run ended.
type RunResult string

// How runs end.
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
	// ErrNoEarlierVersion says that a plugin has no version to return to.
	ErrNoEarlierVersion = errors.New("there is no earlier version of the plugin on this host")
)

// PolicyError says that the host's own config does not let a plugin be installed
// or run.
type PolicyError struct {
	// Rule is the key of the config that refuses it, "policy.plugins" for
	// example.
	Rule string
	Err  error
}

func (e *PolicyError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *PolicyError) Unwrap() error { return e.Err }

// RunError is the error of a run that failed through the plugin.
type RunError struct {
	Result RunResult
	// ExitCode is the plugin's exit status where Result is RunExit, and -1
	// where a signal ended it.
	ExitCode int
	Err      error
}

func (e *RunError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }
