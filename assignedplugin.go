package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/pluginoutput"
)

const (
	// shortestPluginInterval: shorter intervals are raised to this.
	shortestPluginInterval = 10 * time.Second
	// endBefore is how long before its next start a periodic run is ended.
	endBefore = 500 * time.Millisecond
)

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

// assignedPlugin is a plugin that a namespace wants here.
type assignedPlugin struct {
	set  *pluginSet
	key  pluginKey
	stop context.CancelFunc // ends installing

	tried chan struct{} // closed after the first attempt to install it
	turns *turns        // of its key

	mu           sync.Mutex
	plugin       Plugin // guarded by mu, as all below
	installed    bool
	ownFormat    string // that the plugin says itself
	installError error
	last         *PluginResult
	runs         int64
	failures     int64
	invalid      int64
	badMetric    *MetricError // the first of the last output; nil: there is none
}

// reassign takes over new settings, and tells whether that was possible: a
// plugin from another repository is another plugin.
func (p *assignedPlugin) reassign(plugin Plugin) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plugin.Repo != plugin.Repo {
		return false
	}
	moved := p.plugin.Version != plugin.Version
	p.plugin = plugin
	if moved && p.set.runner != nil {
		p.move()
	}
	return true
}

// move installs the version that is assigned now; the one before runs until
// then. The caller holds mu, and that of the set.
func (p *assignedPlugin) move() {
	p.stop()
	ctx, stop := context.WithCancel(p.set.ctx)
	p.stop = stop
	p.set.active.Go(func() { p.retry(ctx, p.fetch(ctx, byRegistry, p.set.runner.install)) })
}

// assigned returns the plugin as it is assigned.
func (p *assignedPlugin) assigned() Plugin {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plugin
}

// format is that of the plugin's output: the registry's word goes before its own.
func (p *assignedPlugin) format(plugin Plugin) pluginoutput.Format {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pluginoutput.Format(cmp.Or(plugin.Format, p.ownFormat))
}

// install tries until the plugin is installed or ctx ends.
func (p *assignedPlugin) install(ctx context.Context) {
	if p.set.runner == nil {
		close(p.tried)
		return
	}
	err := p.fetch(ctx, byRegistry, p.set.runner.install)
	close(p.tried)
	p.retry(ctx, err)
}

// retry tries to install again and again after an error. What the host's config
// refuses is not tried again: a new config makes a new agent.
func (p *assignedPlugin) retry(ctx context.Context, err error) {
	pause := backoff.Backoff{First: 2 * time.Second, Most: 10 * time.Minute}
	for err != nil && startResult(err) != RunPolicy && backoff.Pause(ctx, pause.Next()) {
		err = p.fetch(ctx, byRegistry, p.set.runner.install)
	}
}

// fetch calls Install, Update or Rollback, by whose word, and notes how it went.
func (p *assignedPlugin) fetch(ctx context.Context, by string, get func(context.Context, Plugin) error) error {
	// The plugin's own turn first: who waits for it takes nothing from others.
	if !p.turns.fetch.Take(ctx) {
		return ctx.Err()
	}
	defer p.turns.fetch.Give()
	if !p.set.installs.Take(ctx) {
		return ctx.Err()
	}
	defer p.set.installs.Give()
	plugin := p.assigned()
	was := p.set.runner.inspect(plugin)
	err := get(ctx, plugin)
	is := p.set.runner.inspect(plugin)
	if is.Commit != "" { // else it is not known
		p.set.noteVersion(p.key, plugin, by, was, is)
	}
	if errors.Is(err, ErrNoEarlierVersion) {
		return err // the caller's matter: what is installed is as it should be
	}
	present := err == nil || p.set.runner.has(plugin)
	p.mu.Lock()
	before := p.installError
	p.installError = err
	p.installed = p.installed || present
	p.ownFormat = is.Format
	p.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) && ctx.Err() == nil {
		p.set.logger.Error("a plugin could not be fetched", event.Attr(event.PluginNotFetched), "plugin", p.key.String(), "repo", plugin.Repo, "error", err)
		p.set.noteRefusal(p.key, plugin, by, err)
	}
	return err
}

// awaitsInstall tells whether the first attempt to install is still under way,
// so that there is nothing to run and no failure to report.
func (p *assignedPlugin) awaitsInstall() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.installed && p.installError == nil && p.set.runner != nil
}

// runPeriodic is one regular run: its points and its result are sent.
func (p *assignedPlugin) runPeriodic(ctx context.Context, interval time.Duration) {
	if p.awaitsInstall() || !p.set.mayRun(p.key) || !p.turns.run.TryTake() {
		return
	}
	limited, cancel := context.WithTimeout(ctx, interval-endBefore)
	defer cancel()
	plugin := p.assigned()
	began := time.Now()
	output := printed{format: p.format(plugin)}
	stdout, err := p.exec(limited, plugin, plugin.Args)
	sent := 0
	if output.takes(err) {
		output.stdout = stdout
		sent, err = p.sendOutput(limited, plugin, output)
	}
	if ctx.Err() != nil && err != nil {
		p.turns.run.Give() // the agent stops, or the plugin goes: no fault of the plugin
		return
	}
	p.logRun("regular", p.end(began, "regular", plugin, err), sent)
}

// runOnDemand is one called run. Its output goes to the caller. It waits for the
// first attempt to install the plugin, as long as ctx lasts.
func (p *assignedPlugin) runOnDemand(ctx context.Context, args []string) (PluginResult, error) {
	select {
	case <-p.tried:
	case <-ctx.Done():
	}
	if !p.turns.run.TryTake() {
		return PluginResult{}, fmt.Errorf("plugin %s: %w", p.key, ErrPluginRunning)
	}
	plugin := p.assigned()
	began := time.Now()
	output := printed{format: p.format(plugin)}
	stdout, err := p.exec(ctx, plugin, args)
	if err != nil && p.set.isStopping() {
		p.turns.run.Give() // no fault of the plugin
		return PluginResult{Time: began, Duration: time.Since(began).Seconds(), Result: RunTimeout, Error: err.Error(), Stdout: stdout}, err
	}
	if output.takes(err) {
		err = nil
	}
	result := p.end(began, "call", plugin, err)
	result.ExitCode = output.status
	p.logRun("call", result, 0)
	result.Stdout = stdout
	return result, err
}

// logRun logs a run, at DEBUG.
func (p *assignedPlugin) logRun(kind string, result PluginResult, metrics int) {
	if !p.set.logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	p.set.logger.Debug("a plugin ran", event.Attr(event.PluginRan), "plugin", p.key.String(), "type", kind, "result", string(result.Result),
		"took", time.Duration(result.Duration*float64(time.Second)), "metrics", metrics)
}

// exec runs the plugin once there is a slot. A plugin that is not installed
// cannot be started.
func (p *assignedPlugin) exec(ctx context.Context, plugin Plugin, args []string) (stdout []byte, err error) {
	p.mu.Lock()
	installed, installError := p.installed, p.installError
	p.mu.Unlock()
	switch {
	case p.set.runner == nil:
		return nil, &RunError{Result: RunStart, Err: errors.New("this agent has no plugin runner")}
	case !installed && installError != nil:
		return nil, &RunError{Result: startResult(installError), Err: fmt.Errorf("not installed: %w", installError)}
	case !installed:
		return nil, &RunError{Result: RunStart, Err: errors.New("it is still being installed: try again later")}
	case !p.set.runs.Take(ctx):
		return nil, &RunError{Result: RunTimeout, Err: fmt.Errorf("%d other plugins were running all the time: %w", runsAtOnce, ctx.Err())}
	}
	defer p.set.runs.Give()
	return p.set.runner.run(ctx, plugin, args)
}

// startResult returns why a plugin was not started.
func startResult(err error) RunResult {
	var refused *PolicyError
	if errors.As(err, &refused) {
		return RunPolicy
	}
	return RunStart
}

// sendOutput sends what the plugin measured, and returns how many metrics. Bad
// ones are dropped and counted. Large outputs are decoded one at a time.
func (p *assignedPlugin) sendOutput(ctx context.Context, plugin Plugin, output printed) (sent int, err error) {
	if size := int64(len(output.stdout)); size > largeOutput {
		if !p.set.outputs.TryTake(size) {
			return 0, &RunError{Result: RunOutput, Err: fmt.Errorf(
				"outputs of other plugins wait to be decoded, and together with this one of %d bytes they are more than %d MiB: print less, or run these plugins less often", size, maxOutputs>>20)}
		}
		defer p.set.outputs.Give(size)
		if !p.set.decoding.Take(ctx) {
			return 0, &RunError{Result: RunTimeout, Err: fmt.Errorf("outputs of other plugins were decoded all the time: %w", ctx.Err())}
		}
		defer p.set.decoding.Give()
	}
	var refused []*MetricError
	decoded, err := output.decode(func(part []Metric) {
		sent += len(part)
		refused = append(refused, p.set.buffer(plugin.Namespace, plugin.Name+".", part)...)
	})
	if err != nil {
		return 0, &RunError{Result: RunOutput, Err: err}
	}
	if bad, reasons := decoded.Bad+len(refused), append(decoded.Reasons, refused...); p.noteBad(bad, reasons) {
		p.set.logger.Warn("a plugin printed metrics that cannot be sent: they are left out", event.Attr(event.MetricsInvalid), "plugin", p.key.String(), "count", bad, "error", reasons[0])
	}
	return sent, nil
}

// noteBad counts the bad metrics of one output, and tells whether they are the
// first.
func (p *assignedPlugin) noteBad(bad int, reasons []*MetricError) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.badMetric = nil
	if bad > 0 {
		p.badMetric = reasons[0]
	}
	first = p.invalid == 0 && bad > 0
	p.invalid += int64(bad)
	return first
}

// end notes how a run went, and sends it as the metric plugin.NAME.
func (p *assignedPlugin) end(began time.Time, kind string, plugin Plugin, err error) PluginResult {
	result := PluginResult{Time: began, Duration: time.Since(began).Seconds(), Result: RunOK}
	value := 0.0
	if err != nil {
		value = 1
		result.Result, result.Error = startResult(err), err.Error()
		var failed *RunError
		if errors.As(err, &failed) {
			result.Result, result.ExitCode = cmp.Or(failed.Result, RunStart), failed.ExitCode
		}
	}
	p.set.buffer(plugin.Namespace, "", []Metric{{
		Name:  "plugin." + strings.TrimPrefix(plugin.Name, "PLUGIN."),
		Tags:  map[string]string{"type": kind, "result": string(result.Result)},
		Value: value,
	}})
	failedBefore := p.note(&result)
	switch {
	case err != nil && !failedBefore:
		p.set.logger.Warn("a plugin failed", event.Attr(event.PluginFailed), "plugin", p.key.String(), "result", string(result.Result), "error", err,
			"stderr", p.set.runner.inspect(plugin).Stderr)
	case err == nil && failedBefore:
		p.set.logger.Info("a plugin works again", event.Attr(event.PluginRecovered), "plugin", p.key.String())
	}
	return result
}

// note counts a run that has ended, and tells whether the one before it failed.
func (p *assignedPlugin) note(result *PluginResult) (failedBefore bool) {
	defer p.turns.run.Give()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs++
	if result.Result != RunOK {
		p.failures++
	}
	failedBefore = p.last != nil && p.last.Result != RunOK
	p.last = result
	return failedBefore
}

// status returns how the plugin fares.
func (p *assignedPlugin) status() PluginStatus {
	enabled := p.set.isEnabled(p.key)
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
