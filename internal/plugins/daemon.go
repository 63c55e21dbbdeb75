package plugins

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// daemon keeps a plugin of the mode manifest.Daemon running. One goroutine does so, from
// when the mode is known until the plugin is no longer assigned or has another mode.
//
//	          enabled, installed            it ends
//	resting ────────────────────► running ───────────► backing off
//	   ▲                             │ changed              │ 1 s to 1 min,
//	   └── disabled, not installed ──┴──────────────────────┘ or changed
//
// Changed means: another version, other arguments, enabled or disabled.
type daemon struct {
	changed chan struct{} // holds one: look again

	mu   sync.Mutex
	kept chan struct{}           // guarded by mu: closed when the goroutine ends; nil: there is none
	end  context.CancelCauseFunc // guarded by mu: ends the running program; nil: there is none
}

const (
	// daemonInterval is how often a daemon whose interval is 0 is reported.
	daemonInterval = time.Minute
	// daemonStarts is how long a daemon lives before it counts as started.
	daemonStarts = time.Second
	// daemonLasts is how long it must live so that the pause after its end is short again.
	daemonLasts = time.Minute
)

// errReplaced is the cause when a daemon is ended to be started again at once, or to rest.
var errReplaced = errors.New("the plugin has changed")

// isDaemon reports whether the plugin does not end by itself. The registry's mode takes
// precedence over the plugin's own.
func (p *Assigned) isDaemon() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return cmp.Or(p.plugin.Mode, p.ownMode) == manifest.Daemon
}

// daemonChanged makes the goroutine look again, and starts it if it is missing.
func (p *Assigned) daemonChanged() {
	d := &p.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil {
		if !p.isDaemon() || p.set.Runner == nil || p.life.Err() != nil {
			return
		}
		d.kept = make(chan struct{})
		p.set.active.Go(p.keepRunning)
		return
	}
	if d.end != nil {
		d.end(errReplaced)
	}
	select {
	case d.changed <- struct{}{}:
	default: // it is told already
	}
}

// keepRunning is the goroutine.
func (p *Assigned) keepRunning() {
	failures := backoff.Backoff{First: 2 * time.Second, Most: time.Minute} // 1 s at first, at least
	for p.staysDaemon() {
		if p.awaitsInstall() || !p.set.disabled.mayRun(p.key) {
			p.rest(time.Minute) // by then one that was disabled for a day may run
			continue
		}
		if !p.turns.run.Take(p.life) { // a called run goes on
			continue
		}
		ctx, end := p.daemon.begin(p.life)
		plugin := p.assigned()
		began := time.Now()
		err := p.runDaemon(ctx, plugin)
		end(nil)
		if p.life.Err() != nil || errors.Is(err, errReplaced) {
			p.turns.run.Give() // no fault of the plugin
			continue
		}
		if errors.Is(err, p.set.Errors.RunAgain) {
			p.turns.run.Give()
			p.rest(time.Second)
			continue
		}
		p.logRun("regular", p.end(began, "regular", plugin, err), 0)
		if time.Since(began) >= daemonLasts {
			failures.Reset()
		}
		p.rest(failures.Next())
	}
}

// staysDaemon reports whether the goroutine is still needed. If not, it counts as ended.
func (p *Assigned) staysDaemon() bool {
	p.daemon.mu.Lock()
	defer p.daemon.mu.Unlock()
	if p.life.Err() == nil && p.isDaemon() {
		return true
	}
	close(p.daemon.kept)
	p.daemon.kept = nil
	return false
}

// wait returns when the goroutine has ended, if there is one, or with ctx.
func (d *daemon) wait(ctx context.Context) {
	d.mu.Lock()
	kept := d.kept
	d.mu.Unlock()
	if kept == nil {
		return
	}
	select {
	case <-kept:
	case <-ctx.Done():
	}
}

// rest waits for d, or until something has changed.
func (p *Assigned) rest(d time.Duration) {
	ended, cancel := context.WithTimeout(p.life, d)
	defer cancel()
	select {
	case <-p.daemon.changed:
	case <-ended.Done():
	}
}

// begin returns the context of a run, which ends when something changes. The run sees all
// changes before it.
func (d *daemon) begin(life context.Context) (ctx context.Context, end context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.changed:
	default:
	}
	ctx, d.end = context.WithCancelCause(life)
	return ctx, d.end
}

// runDaemon runs the program until it ends, which is always an error.
func (p *Assigned) runDaemon(ctx context.Context, plugin Plugin) error {
	if err := p.notInstalled(); err != nil {
		return err
	}
	plugin.Interval = max(cmp.Or(plugin.Interval, daemonInterval), shortestPluginInterval)
	var reports sync.WaitGroup
	alive, dead := context.WithCancel(ctx)
	reports.Go(func() { p.reportAlive(alive, plugin) })
	format := p.format(plugin)
	err := p.set.Runner.RunDaemon(ctx, plugin, plugin.Args, func(lines []byte) error {
		if bad := p.set.Output.SendLines(ctx, plugin, pluginoutput.Print{Format: format, Stdout: lines, Lines: true}); bad.Count > 0 {
			p.tellBad(bad)
		}
		return nil
	})
	dead()
	reports.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return p.set.Errors.Failed(Exited, errors.New("the daemon exited with status 0; a plugin that ends by itself needs the mode run"))
	}
	return err
}

// reportAlive sends that the daemon runs, once it has started and at each interval.
func (p *Assigned) reportAlive(ctx context.Context, plugin Plugin) {
	for pause := daemonStarts; backoff.Pause(ctx, backoff.ToSecond(pause)); pause = plugin.Interval {
		p.set.Output.Report(plugin, "regular", OK)
	}
}

// format is that of the plugin's output. The registry's format takes precedence over the
// plugin's own.
func (p *Assigned) format(plugin Plugin) pluginoutput.Format {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pluginoutput.Format(cmp.Or(plugin.Format, p.ownFormat))
}
