package plugins

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/schedule"
)

// shortestPluginInterval: shorter intervals are raised to this.
const shortestPluginInterval = 10 * time.Second

// Assigned is an assigned plugin. Its methods are safe for concurrent use.
type Assigned struct {
	set  *Set
	key  Key
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
	last         *Result
	runs         int64
	failures     int64
	invalid      int64
	badMetric    error // the first of the last output; nil: there is none
}

// reassign applies new settings, and reports whether that was possible: a plugin from another
// repository is another plugin.
func (p *Assigned) reassign(plugin Plugin) bool {
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

// take applies new settings, and installs another version.
func (p *Assigned) take(plugin Plugin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved := p.plugin.Version != plugin.Version
	p.plugin = plugin
	if moved && p.set.Runner != nil {
		p.move()
	}
}

// assigned returns the plugin as it is assigned.
func (p *Assigned) assigned() Plugin {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plugin
}

// runPeriodic is one regular run: its points and its result are sent.
func (p *Assigned) runPeriodic(ctx context.Context, interval time.Duration) {
	if p.isDaemon() {
		p.daemon.wait(ctx) // a look at each interval would wake the process for each daemon
		return
	}
	if p.awaitsInstall() || !p.set.disabled.mayRun(p.key) || !p.turns.run.TryTake() {
		return
	}
	limited, cancel := context.WithTimeout(ctx, schedule.RunTime(interval))
	defer cancel()
	plugin := p.assigned()
	began := time.Now()
	format := p.format(plugin)
	stdout, err := p.exec(limited, plugin, plugin.Args)
	sent := 0
	if status, ok := p.set.Errors.Succeeded(format, err); ok {
		sent, err = p.sendOutput(limited, plugin, pluginoutput.Print{Format: format, Status: status, Stdout: stdout})
	}
	if ctx.Err() != nil && err != nil {
		p.turns.run.Give() // the agent stops, or the plugin goes: no fault of the plugin
		return
	}
	p.logRun("regular", p.end(began, "regular", plugin, err), sent)
}

// exec runs the plugin once there is a slot. A plugin that is not installed
// cannot be started.
func (p *Assigned) exec(ctx context.Context, plugin Plugin, args []string) (stdout []byte, err error) {
	if err := p.notInstalled(); err != nil {
		return nil, err
	}
	if !p.set.runs.Take(ctx) {
		return nil, p.set.Errors.Failed(TimedOut, fmt.Errorf("%d other plugins were running all the time: %w", runsAtOnce, ctx.Err()))
	}
	defer p.set.runs.Give()
	return p.set.Runner.Run(ctx, plugin, args)
}
