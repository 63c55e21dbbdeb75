package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/plugins"
	"github.com/lodastack/agent/internal/recent"
	"github.com/lodastack/agent/internal/schedule"
	"github.com/lodastack/agent/internal/warnings"
)

// Errors of calls that come at the wrong time.
var (
	ErrNotRunning = errors.New("the agent does not run yet")
	ErrAlreadyRun = errors.New("the agent has been run already: make a new one")
	ErrStopped    = errors.New("the agent has stopped")
)

var errNoRegistry = errors.New("no registry says what to collect: use WithRegistry")

// Agent measures a host, and delivers its own metrics and those of other programs. Make
// one with [New]. Its methods are safe for concurrent use.
type Agent struct {
	config   fixed
	settings atomic.Pointer[settings] // in force
	output   *outputPart
	store    *storePart  // nil: there is none
	runner   *runnerPart // nil: there is none
	delivery *delivery.Engine[Metric]
	recent   *recent.Memory // of the points that pass
	warnings *warnings.Log

	refusedPost atomic.Pointer[refusedPost] // nil: there was none

	updater *updater
	updates schedule.Poll  // of updater
	watches sync.WaitGroup // of the registry
	plugins *plugins.Set

	claim func() error // claims the state directory, once, before it is read
	ran   atomic.Bool

	started  chan struct{} // closed once Run has begun
	ready    chan struct{}
	checking chan struct{} // has room for the one check that is under way

	mu          sync.Mutex
	running     bool               // guarded by mu; every method can be called
	inForce     bool               // guarded by mu; assignments are
	schedule    *schedule.Schedule // guarded by mu; nil before Run
	assignments []Assignment       // guarded by mu; in force
}

// New makes an agent. It does no I/O and starts nothing. Its error names every missing part
// and every fault: in one line, or with the verb %+v in a line for each fault. [errors.As]
// finds them all in a *multierror.Error of github.com/hashicorp/go-multierror, which is
// part of this contract.
func New(opts ...Option) (*Agent, error) {
	config := defaultConfig()
	wrong := config.apply(opts)
	if config.registry == nil {
		wrong = append(wrong, errNoRegistry)
	}
	if config.output == nil {
		wrong = append(wrong, errors.New("no output takes the points: use WithOutput"))
	}
	if len(wrong) > 0 {
		return nil, newOptionsError("make an agent", wrong)
	}

	kept := new(warnings.Log)
	config.logger = slog.New(kept.Handler(newLogger(config.logger).Handler()))
	config.audit.Logger = config.logger
	a := &Agent{
		config: config.fixed,
		output: newOutputPart(config.output, config.logger, config.writeGrace()),
		store:  newStorePart(config.store),
		runner: newRunnerPart(config.runner),
		recent: recent.New(!config.noPage),

		warnings: kept,
		ready:    make(chan struct{}),

		started:  make(chan struct{}),
		checking: make(chan struct{}, 1),
	}
	a.putInForce(config.settings)
	a.claim = sync.OnceValue(a.claimState)
	a.delivery = newDelivery(config, a.output, a.store, func() { _ = a.claim() }) // Run logs the error
	a.updater = &updater{
		registry: newRegistryPart(config.registry),
		build:    config.build,
		state:    a.state(),
		logger:   config.logger,
		readHost: a.config.readHost,
		apply:    a.apply,
	}
	a.updates = schedule.Poll{
		Ask: a.updater.ask, Interval: config.updateInterval,
		NotRunning: ErrNotRunning, Stopped: ErrStopped,
	}
	a.plugins = a.newPlugins()
	return a, nil
}

// Run asks the registry, collects, runs plugins and delivers until ctx ends.
// Then it ends all runs, delivers the waiting points, closes the output and returns nil. It
// returns an error if that was not possible within the shutdown timeout. An agent runs
// once.
func (a *Agent) Run(ctx context.Context) error {
	if !a.ran.CompareAndSwap(false, true) {
		return ErrAlreadyRun
	}
	if err := a.claim(); err != nil {
		a.config.logger.Warn("the state directory", "dir", a.config.stateDir, "error", err)
	}
	a.delivery.Start()
	a.mu.Lock()
	a.schedule = schedule.New(ctx)
	a.mu.Unlock()
	a.plugins.Start(ctx)
	a.updater.remember() // before any caller can ask: an old answer must not replace a new one
	a.updates.Start(ctx)
	if registry := a.updater.registry; len(registry.watchers) > 0 {
		a.watches.Go(func() { registry.watch(ctx, a.updates.Soon, a.config.logger) })
	}
	a.mu.Lock()
	a.running = true
	close(a.started)
	a.becomeReady()
	a.mu.Unlock()
	a.config.logger.Info("the agent runs", event.Attr(event.Started), "host", a.hostname(), "version", a.config.build.Version)

	<-ctx.Done()
	a.recent.Close()
	return a.stop(context.WithoutCancel(ctx))
}

// Ready returns a channel that is closed once assignments are in force, from the registry or
// from an earlier run. Then [Agent.Namespaces] and [Agent.Plugins] return them, collectors
// run, and [Agent.Update] can be called. The channel is never closed if the registry never
// answers and no assignments were remembered.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Started returns a channel that is closed once [Agent.Run] has begun: collectors
// and plugins are scheduled as soon as assignments are in force, and points are
// delivered.
func (a *Agent) Started() <-chan struct{} { return a.started }

// Update asks the registry now and returns when its answer is in force, or the reason why it
// is not. If ctx ends first, the question to the registry goes on. Plugins that could not be
// installed are tried again, too; Update does not wait for them.
func (a *Agent) Update(ctx context.Context) error {
	err := a.updates.Now(ctx)
	a.plugins.TryNow()
	return err
}

// forgetAfter is how long an account is kept after its last point, once its namespace is
// no longer one of the host's.
const forgetAfter = time.Hour

// apply puts the registry's answer in force, in one step: a caller that sees a namespace also
// finds its plugins.
func (a *Agent) apply(assignments []Assignment) {
	current := make([]string, len(assignments))
	for i, assignment := range assignments {
		current[i] = assignment.Namespace
	}
	a.delivery.Forget(current, forgetAfter)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.assignments = assignments
	a.assignPlugins(assignments)
	jobs := a.plugins.Jobs(a.hostname())
	if len(assignments) > 0 {
		for _, c := range a.config.collectors {
			if interval := c.interval(assignments); interval > 0 {
				jobs["collect "+c.kind] = a.collectionJob(c, interval)
			}
		}
	}
	a.schedule.Set(jobs)
	a.inForce = true
	a.becomeReady()
}

// becomeReady closes ready once the agent runs and assignments are in force. Remembered
// assignments are in force before the agent runs. The caller holds mu.
func (a *Agent) becomeReady() {
	if a.running && a.inForce && !a.isReady() {
		close(a.ready)
	}
}

// assigned returns the assignments in force. The caller must not change them.
func (a *Agent) assigned() []Assignment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.assignments
}

// isReady reports whether the agent runs and assignments are in force.
func (a *Agent) isReady() bool {
	select {
	case <-a.ready:
		return true
	default:
		return false
	}
}
