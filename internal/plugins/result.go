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

// succeeded reports whether a run that ended with err did its work, and returns its exit
// status: those of a Nagios check are its result.
func (s *Set) succeeded(format pluginoutput.Format, err error) (status int, ok bool) {
	if err == nil {
		return 0, true
	}
	result, status := s.Errors.Outcome(err)
	if result != Exited {
		return 0, false
	}
	return status, format.TakesStatus(status)
}

// failure returns the result and the exit status of a run that failed.
func (s *Set) failure(err error) (result string, status int) {
	result, status = s.Errors.Outcome(err)
	return cmp.Or(result, s.whyNotStarted(err)), status
}

// whyNotStarted returns the result of a run that was not started.
func (s *Set) whyNotStarted(err error) string {
	if s.Errors.Refused(err) {
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

// end notes the result of a run, and sends it as the metric plugin.NAME.
func (p *Assigned) end(began time.Time, kind string, plugin Plugin, err error) Result {
	result := Result{Time: began, Duration: time.Since(began).Seconds(), Result: OK}
	if err != nil {
		result.Result, result.ExitCode = p.set.failure(err)
		result.Error = err.Error()
	}
	p.set.Output.Report(plugin, kind, result.Result)
	failedBefore := p.note(&result)
	switch {
	case err != nil && !failedBefore:
		p.set.Logger.Warn("a plugin failed", event.Attr(event.PluginFailed), "plugin", p.key.String(), "result", result.Result, "error", err,
			"stderr", p.set.inspect(plugin).Stderr)
	case err == nil && failedBefore:
		p.set.Logger.Info("a plugin works again", event.Attr(event.PluginRecovered), "plugin", p.key.String())
	}
	return result
}

// note counts a run that has ended, and reports whether the one before it failed.
func (p *Assigned) note(result *Result) (failedBefore bool) {
	defer p.turns.run.Give()
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
