package agent

import "time"

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

// status returns how the plugin fares.
func (p *assignedPlugin) status() PluginStatus {
	enabled := !p.set.disabled.has(p.key)
	details := p.set.runner.inspect(p.assigned())
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PluginStatus{
		Namespace: p.plugin.Namespace, Repo: p.plugin.Repo, Name: p.plugin.Name,
		Enabled: enabled, Interval: p.plugin.Interval.Seconds(),
		Installed: p.installed, Running: len(p.turns.run) > 0,
		Runs: p.runs, Failures: p.failures, Invalid: p.invalid,
	}
	if p.last != nil {
		last := *p.last
		s.LastRun = &last
	}
	if p.badMetric != nil {
		s.InvalidError = p.badMetric.Error()
	}
	if p.installError != nil {
		s.InstallError = p.installError.Error()
	}
	s.PluginDetails = details
	return s
}
