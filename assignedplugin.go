package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
)

const (
	// shortestPluginInterval: shorter intervals are raised to this.
	shortestPluginInterval = 10 * time.Second
	// endBefore is how long before its next start a periodic run is ended.
	endBefore = 500 * time.Millisecond
)

// assignedPlugin is a plugin that a namespace wants here.
type assignedPlugin struct {
	set  *pluginSet
	key  pluginKey
	stop context.CancelFunc // ends installing

	life context.Context    // ends when it is not assigned any more
	gone context.CancelFunc // ends life

	tried chan struct{} // closed after the first attempt to install it
	again chan struct{} // holds one: install it now, if the last attempt failed
	turns *turns        // of its key

	daemon daemon // unused by a plugin that ends

	mu           sync.Mutex
	plugin       Plugin // guarded by mu, as all below
	installed    bool
	ownFormat    string // that the plugin says itself, as the mode
	ownMode      string
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
	was := p.assigned()
	if was.Repo != plugin.Repo {
		return false
	}
	p.take(plugin)
	if was.Version = plugin.Version; !reflect.DeepEqual(was, plugin) {
		p.daemonChanged() // that there is another version is told once it is installed
	}
	return true
}

// take takes over new settings, and installs another version.
func (p *assignedPlugin) take(plugin Plugin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved := p.plugin.Version != plugin.Version
	p.plugin = plugin
	if moved && p.set.runner != nil {
		p.move()
	}
}

// assigned returns the plugin as it is assigned.
func (p *assignedPlugin) assigned() Plugin {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plugin
}

// runPeriodic is one regular run: its points and its result are sent.
func (p *assignedPlugin) runPeriodic(ctx context.Context, interval time.Duration) {
	if p.isDaemon() || p.awaitsInstall() || !p.set.disabled.mayRun(p.key) || !p.turns.run.TryTake() {
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
	if err := p.notInstalled(); err != nil {
		return nil, err
	}
	if !p.set.runs.Take(ctx) {
		return nil, &RunError{Result: RunTimeout, Err: fmt.Errorf("%d other plugins were running all the time: %w", runsAtOnce, ctx.Err())}
	}
	defer p.set.runs.Give()
	return p.set.runner.run(ctx, plugin, args)
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
		refused = append(refused, p.set.out.buffer(plugin.Namespace, plugin.Name+".", part)...)
	})
	if err != nil {
		return 0, &RunError{Result: RunOutput, Err: err}
	}
	p.tellBad(decoded.Bad+len(refused), append(decoded.Reasons, refused...))
	return sent, nil
}

// tellBad counts the bad metrics of one output, and logs the first.
func (p *assignedPlugin) tellBad(bad int, reasons []*MetricError) {
	if p.noteBad(bad, reasons) {
		p.set.logger.Warn("a plugin printed metrics that cannot be sent: they are left out", event.Attr(event.MetricsInvalid), "plugin", p.key.String(), "count", bad, "error", reasons[0])
	}
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
	if err != nil {
		result.Result, result.Error = startResult(err), err.Error()
		var failed *RunError
		if errors.As(err, &failed) {
			result.Result, result.ExitCode = cmp.Or(failed.Result, RunStart), failed.ExitCode
		}
	}
	p.report(plugin, kind, result.Result)
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

// report sends how a run went, as the metric plugin.NAME.
func (p *assignedPlugin) report(plugin Plugin, kind string, result RunResult) {
	value := 1.0
	if result == RunOK {
		value = 0
	}
	p.set.out.buffer(plugin.Namespace, "", []Metric{{
		Name:  "plugin." + strings.TrimPrefix(plugin.Name, "PLUGIN."),
		Tags:  map[string]string{"type": kind, "result": string(result)},
		Value: value,
	}})
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
