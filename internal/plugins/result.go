package plugins

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// Succeeded reports whether a run that ended with err has succeeded, and returns its exit
// status: those of a Nagios check are its result.
func (e Errors) Succeeded(format pluginoutput.Format, err error) (status int, ok bool) {
	if err == nil {
		return 0, true
	}
	result, status := e.Outcome(err)
	if result != Exited {
		return 0, false
	}
	return status, format.TakesStatus(status)
}

// notStarted returns the result of a run that was not started.
func (e Errors) notStarted(err error) string {
	if e.Refused(err) {
		return Refused
	}
	return NotStarted
}

// sendOutput sends what the plugin measured, and returns how many metrics. Bad
// ones are dropped and counted. Large outputs are decoded one at a time.
func (p *Assigned) sendOutput(ctx context.Context, plugin Plugin, output pluginoutput.Print) (sent int, err error) {
	if size := int64(len(output.Stdout)); size > largeOutput {
		if !p.set.outputs.TryTake(size) {
			return 0, p.set.Errors.Failed(BadOutput, fmt.Errorf(
				"outputs of other plugins wait to be decoded, and together with this one of %d bytes they are more than %d MiB: print less, or run these plugins less often", size, maxOutputs>>20))
		}
		defer p.set.outputs.Give(size)
		if !p.set.decoding.Take(ctx) {
			return 0, p.set.Errors.Failed(TimedOut, fmt.Errorf("outputs of other plugins were decoded all the time: %w", ctx.Err()))
		}
		defer p.set.decoding.Give()
	}
	sent, bad, err := p.set.Output.Send(plugin, output)
	if err != nil {
		return 0, p.set.Errors.Failed(BadOutput, err)
	}
	p.tellBad(bad)
	return sent, nil
}

// tellBad counts the bad metrics of one output, and logs the first.
func (p *Assigned) tellBad(bad Bad) {
	if p.noteBad(bad) {
		p.set.Logger.Warn("a plugin printed metrics that cannot be sent: they are left out", event.Attr(event.MetricsInvalid), "plugin", p.key.String(), "count", bad.Count, "error", bad.First)
	}
}

// noteBad counts the bad metrics of one output, and reports whether they are the first.
func (p *Assigned) noteBad(bad Bad) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.badMetric = bad.First
	first = p.invalid == 0 && bad.Count > 0
	p.invalid += int64(bad.Count)
	return first
}

// end notes the result of a run, sends it as the metric plugin.NAME, and lets the plugin run
// again.
func (p *Assigned) end(began time.Time, kind string, plugin Plugin, err error) Result {
	result := Result{Time: began, Duration: time.Since(began).Seconds(), Result: OK}
	if err != nil {
		word, status := p.set.Errors.Outcome(err)
		result.Result, result.ExitCode, result.Error = cmp.Or(word, p.set.Errors.notStarted(err)), status, err.Error()
	}
	p.set.Output.Report(plugin, kind, result.Result)
	failedBefore := p.note(&result)
	stderr := ""
	if err != nil && !failedBefore {
		stderr = p.set.inspect(plugin).Stderr // before another run can begin
	}
	p.turns.run.Give()
	switch {
	case err != nil && !failedBefore:
		p.set.Logger.Warn("a plugin failed", event.Attr(event.PluginFailed), "plugin", p.key.String(), "result", result.Result, "error", err,
			"stderr", stderr)
	case err == nil && failedBefore:
		p.set.Logger.Info("a plugin works again", event.Attr(event.PluginRecovered), "plugin", p.key.String())
	}
	return result
}

// note counts a run that has ended, and reports whether the one before it failed.
func (p *Assigned) note(result *Result) (failedBefore bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs++
	if result.Result != OK {
		p.failures++
	}
	failedBefore = p.last != nil && p.last.Result != OK
	p.last = result
	return failedBefore
}

// logRun logs a run, at DEBUG.
func (p *Assigned) logRun(kind string, result Result, metrics int) {
	if !p.set.Logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	p.set.Logger.Debug("a plugin ran", event.Attr(event.PluginRan), "plugin", p.key.String(), "type", kind, "result", result.Result,
		"took", time.Duration(result.Duration*float64(time.Second)), "metrics", metrics)
}
