package plugins

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/lodastack/agent/internal/budget"
	"github.com/lodastack/agent/internal/schedule"
	"github.com/lodastack/agent/internal/waitgroup"
)

const (
	// installsAtOnce and runsAtOnce limit the load of a host on which many plugins are
	// assigned, or start, together.
	installsAtOnce = 4
	runsAtOnce     = 64
	// maxOutputs bounds the outputs that wait to be decoded, in bytes. Only outputs larger
	// than largeOutput wait: they are decoded one at a time.
	maxOutputs  = 32 << 20
	largeOutput = 256 << 10
)

// Set holds the assigned plugins. Make one with [New]. Its methods are safe for
// concurrent use. Assign must not be called before Start.
type Set struct {
	Config
	disabled *disabledPlugins

	installs, runs schedule.Slots
	outputs        *budget.Budget // large ones that wait to be decoded
	decoding       schedule.Slots // one, taken while a large one is
	active         sync.WaitGroup // installs, removals, daemons, and calls from outside

	mu      sync.Mutex
	ctx     context.Context   // guarded by mu; nil before Start
	stopped bool              // guarded by mu
	plugins map[Key]*Assigned // guarded by mu
	turns   map[Key]*turns    // guarded by mu
}

// turns are shared by the plugins that have a key one after the other.
type turns struct {
	fetch schedule.Slots // one, taken while a plugin is installed, updated, rolled back or removed
	run   schedule.Slots // one, taken while a plugin runs
	users int            // plugins that are assigned or not removed yet; guarded by Set.mu
}

// New makes a set without plugins, which starts nothing.
func New(c Config) *Set {
	return &Set{
		Config: c, disabled: newDisabledPlugins(c.State, c.Logger),
		installs: make(schedule.Slots, installsAtOnce), runs: make(schedule.Slots, runsAtOnce),
		outputs: budget.New(maxOutputs), decoding: make(schedule.Slots, 1),
		plugins: make(map[Key]*Assigned), turns: make(map[Key]*turns),
	}
}

// Start lets plugins be installed until ctx ends, and reads which are disabled.
func (s *Set) Start(ctx context.Context) {
	s.disabled.load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
}

// Assign makes the plugins the whole set. Each has a different key.
func (s *Set) Assign(plugins []Plugin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[Key]*Assigned, len(plugins))
	for _, p := range plugins {
		key := p.Key()
		next[key] = s.adopt(key, p)
	}
	for key, old := range s.plugins {
		switch next[key] {
		case old:
			continue
		case nil:
			ctx := s.ctx
			s.active.Go(func() { s.remove(ctx, old) })
		default:
			old.turns.users--
		}
		old.gone()
	}
	s.plugins = next
}

// adopt returns the existing plugin with its new settings, or else a new one, which it begins
// to install. The caller holds mu.
func (s *Set) adopt(key Key, p Plugin) *Assigned {
	if old := s.plugins[key]; old != nil && old.reassign(p) {
		return old
	}
	life, gone := context.WithCancel(s.ctx)
	ctx, stop := context.WithCancel(life)
	if s.turns[key] == nil {
		s.turns[key] = &turns{fetch: make(schedule.Slots, 1), run: make(schedule.Slots, 1)}
	}
	s.turns[key].users++
	added := &Assigned{
		set: s, key: key, plugin: p, turns: s.turns[key], life: life, gone: gone, stop: stop,
		tried: make(chan struct{}), again: make(chan struct{}, 1), daemon: daemon{changed: make(chan struct{}, 1)},
	}
	s.active.Go(func() { added.install(ctx) })
	return added
}

// TryNow retries at once to install all plugins that could not be installed.
func (s *Set) TryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.plugins {
		p.tryNow()
	}
}

// InstallAgain lets the runner install each plugin again, which may now be allowed or
// refused, or run as another user. A first attempt that is under way goes on.
func (s *Set) InstallAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Runner == nil || s.stopped || s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	for _, p := range s.plugins {
		p.installAgain()
	}
}

// remove forgets a plugin that is no longer assigned, once nobody uses it.
func (s *Set) remove(ctx context.Context, gone *Assigned) {
	if !gone.turns.fetch.Take(ctx) {
		return // the agent stops
	}
	s.uninstall(ctx, gone)
	gone.turns.fetch.Give()
	if !gone.turns.run.Take(ctx) { // a called run goes on
		return
	}
	defer gone.turns.run.Give()
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone.turns.users--; gone.turns.users == 0 {
		delete(s.turns, gone.key)
	}
}

// uninstall deletes an installed plugin, unless it has been assigned again meanwhile.
func (s *Set) uninstall(ctx context.Context, gone *Assigned) {
	s.mu.Lock()
	again := s.plugins[gone.key] != nil
	s.mu.Unlock()
	if again || s.Runner == nil {
		return
	}
	plugin := gone.assigned()
	was := s.inspect(plugin)
	if err := s.Runner.Remove(ctx, plugin); err != nil {
		s.Logger.Warn("a plugin that is not assigned any more could not be removed", "plugin", gone.key.String(), "error", err)
		return
	}
	s.noteVersion(gone.key, plugin, ByRegistry, was, Release{})
}

// Jobs returns the periodic runs. The host name spreads those of many hosts over their
// interval.
func (s *Set) Jobs(hostname string) map[string]schedule.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := make(map[string]schedule.Job)
	for key, p := range s.plugins {
		interval := p.assigned().Interval
		if interval <= 0 || s.Runner == nil {
			continue
		}
		interval = max(interval, shortestPluginInterval)
		name := "plugin " + key.String() + " " + p.assigned().Repo
		jobs[name] = schedule.Job{
			Interval: interval,
			Phase:    schedule.PhaseOf(interval, hostname, key.Namespace, key.Project),
			Run:      func(ctx context.Context) { p.runPeriodic(ctx, interval) },
		}
	}
	return jobs
}

// Find returns the plugin of a namespace with the repository ORG/PROJECT, and nil if there
// is none.
func (s *Set) Find(namespace, repo string) *Assigned {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.plugins[Plugin{Namespace: namespace, Repo: repo}.Key()]
	if p == nil || p.assigned().Repo != repo {
		return nil
	}
	return p
}

// List returns the status of each plugin, in order of namespace and project.
func (s *Set) List() []Status {
	s.mu.Lock()
	plugins := make([]*Assigned, 0, len(s.plugins))
	for _, p := range s.plugins {
		plugins = append(plugins, p)
	}
	s.mu.Unlock()
	slices.SortFunc(plugins, func(a, b *Assigned) int {
		return cmp.Or(strings.Compare(a.key.Namespace, b.key.Namespace), strings.Compare(a.key.Project, b.key.Project))
	})
	list := make([]Status, 0, len(plugins))
	for _, p := range plugins {
		list = append(list, p.status())
	}
	return list
}

// within returns ctx bounded by the agent's own run, which waits for done.
func (s *Set) within(ctx context.Context) (bounded context.Context, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx == nil:
		return nil, nil, s.Errors.NotRunning
	case s.stopped:
		return nil, nil, s.Errors.Stopped
	}
	bounded, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	s.active.Add(1)
	return bounded, func() { stop(); cancel(); s.active.Done() }, nil
}

// isStopping reports whether the agent's own run has ended.
func (s *Set) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx.Err() != nil
}

// Wait refuses further calls and returns when those under way, all installs, removals and
// daemons have ended, or ctx ends.
func (s *Set) Wait(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	return waitgroup.Wait(ctx, &s.active)
}

// inspect returns the runner's details of a plugin.
func (s *Set) inspect(p Plugin) Release {
	if s.Runner == nil {
		return Release{}
	}
	return s.Runner.Inspect(p)
}
