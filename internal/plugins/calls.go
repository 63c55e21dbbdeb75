package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Run runs the plugin, also if it is disabled, and returns its result and output. It waits
// for the first attempt to install it, as long as ctx lasts.
func (p *Assigned) Run(ctx context.Context, args []string) (Result, error) {
	ctx, done, err := p.set.within(ctx)
	if err != nil {
		return Result{}, err
	}
	defer done()
	return p.runOnDemand(ctx, args)
}

// Update installs the newest release, or the assigned version again.
func (p *Assigned) Update(ctx context.Context) error {
	return p.change(ctx, "update", ByUpdate, Runner.Update)
}

// Rollback installs the version that was installed before.
func (p *Assigned) Rollback(ctx context.Context) error {
	return p.change(ctx, "roll back", ByRollback, Runner.Rollback)
}

// Enable lets a disabled plugin run again.
func (p *Assigned) Enable() error {
	defer p.daemonChanged()
	return p.set.disabled.remove(p.key)
}

// Disable stops the periodic runs, or ends a daemon, for a day or until Enable.
func (p *Assigned) Disable() error {
	defer p.daemonChanged()
	return p.set.disabled.add(p.key)
}

// change makes the runner install another version.
func (p *Assigned) change(ctx context.Context, what, by string, get func(Runner, context.Context, Plugin) error) error {
	if p.set.Runner == nil {
		return errors.New("this agent has no plugin runner")
	}
	ctx, done, err := p.set.within(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := p.fetch(ctx, by, get); err != nil {
		return fmt.Errorf("%s plugin %s: %w", what, p.key, err)
	}
	return nil
}

// runOnDemand is one called run. Its output goes to the caller. It waits for the
// first attempt to install the plugin, as long as ctx lasts.
func (p *Assigned) runOnDemand(ctx context.Context, args []string) (Result, error) {
	select {
	case <-p.tried:
	case <-ctx.Done():
	}
	if !p.turns.run.TryTake() {
		return Result{}, fmt.Errorf("plugin %s: %w", p.key, p.set.Errors.Running)
	}
	plugin := p.assigned()
	began := time.Now()
	format := p.format(plugin)
	stdout, err := p.exec(ctx, plugin, args)
	if err != nil && p.set.isStopping() {
		p.turns.run.Give() // no fault of the plugin
		return Result{Time: began, Duration: time.Since(began).Seconds(), Result: TimedOut, Error: err.Error(), Stdout: stdout}, err
	}
	status, ok := p.set.Errors.Succeeded(format, err)
	if ok {
		err = nil
	}
	result := p.end(began, "call", plugin, err)
	result.ExitCode = status
	p.logRun("call", result, 0)
	result.Stdout = stdout
	return result, err
}
