package plugins

import "time"

// Status is the status of an assigned plugin.
type Status struct {
	Plugin    Plugin
	Until     time.Time // when a disabled plugin is enabled again; zero: it is enabled
	Installed bool      // some version is
	// InstallError says why the last attempt to install or update it failed; nil: it did not.
	InstallError error
	Running      bool    // while the plugin runs, or the one whose place it has taken
	Last         *Result // of the last finished run; nil: there was none
	// Runs, Failures and Invalid (metrics that could not be sent) count since the start.
	Runs, Failures, Invalid int64
	// BadMetric says why the first bad metric of the last output could not be sent; nil:
	// all were sent.
	BadMetric error
}

// Result is the result of one run.
type Result struct {
	Time     time.Time
	Duration float64 // in seconds
	Result   string  // OK, or another of those constants
	ExitCode int     // the exit status, if Result is Exited
	Error    string
	Stdout   []byte // of a run on demand only
}

// status returns the status of the plugin.
func (p *Assigned) status() Status {
	until := p.set.disabled.until(p.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{
		Plugin: p.plugin, Until: until, Installed: p.installed, InstallError: p.installError,
		Running: len(p.turns.run) > 0, Runs: p.runs, Failures: p.failures, Invalid: p.invalid,
		BadMetric: p.badMetric,
	}
	if p.last != nil {
		last := *p.last
		s.Last = &last
	}
	return s
}
