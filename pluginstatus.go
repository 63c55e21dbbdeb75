package agent

import (
	"time"

	"github.com/lodastack/agent/internal/plugins"
)

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
	// Running is true while the plugin, or one that it replaces, runs.
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

// Plugins returns the status of each assigned plugin, in order of namespace
// and project.
func (a *Agent) Plugins() []PluginStatus {
	list := []PluginStatus{}
	for _, s := range a.plugins.List() {
		list = append(list, pluginStatus(s, a.runner.details(s.Plugin)))
	}
	return list
}

// pluginStatus returns the status of a plugin with its runner's details.
func pluginStatus(s plugins.Status, details PluginDetails) PluginStatus {
	status := PluginStatus{
		Namespace: s.Plugin.Namespace, Repo: s.Plugin.Repo, Name: s.Plugin.Name,
		Enabled: s.Until.IsZero(), DisabledUntil: s.Until, Interval: s.Plugin.Interval.Seconds(),
		Installed: s.Installed, InstallError: errorText(s.InstallError), Running: s.Running,
		Runs: s.Runs, Failures: s.Failures, Invalid: s.Invalid, InvalidError: errorText(s.BadMetric),
		PluginDetails: details,
	}
	if s.Last != nil {
		last := pluginResult(*s.Last)
		status.LastRun = &last
	}
	return status
}

func pluginResult(r plugins.Result) PluginResult {
	return PluginResult{Time: r.Time, Duration: r.Duration, Result: RunResult(r.Result), ExitCode: r.ExitCode, Error: r.Error, Stdout: r.Stdout}
}
