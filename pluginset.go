package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/lodastack/agent/internal/audit"
	"github.com/lodastack/agent/internal/budget"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/internal/schedule"
	"github.com/lodastack/agent/internal/statefile"
	"github.com/lodastack/agent/internal/waitgroup"
)

// Errors of the calls that name a plugin.
var (
	ErrNoPlugin      = errors.New("no such plugin is assigned to this host; a newly assigned one is known after the next update")
	ErrPluginRunning = errors.New("the plugin is running already")
	// ErrNoEarlierVersion says that a plugin has no version to return to.
	ErrNoEarlierVersion = errors.New("there is no earlier version of the plugin on this host")
)

const (
	// installsAtOnce and runsAtOnce bound what plugins cost a host on which
	// many are assigned, or start, together.
	installsAtOnce = 4
	runsAtOnce     = 64
	// maxOutputs bounds in bytes what waits to be decoded of outputs that are
	// larger than largeOutput, and do so one at a time.
	maxOutputs  = 32 << 20
	largeOutput = 256 << 10
)

// pluginKey identifies a plugin on a host.
type pluginKey struct{ namespace, project string }

func (k pluginKey) String() string { return k.namespace + "/" + k.project }

func keyOf(p Plugin) pluginKey { return pluginKey{p.Namespace, path.Base(p.Repo)} }

// pluginSet holds the assigned plugins.
type pluginSet struct {
	runner   *runnerPart // nil: this agent runs no plugins
	disabled *disabledPlugins
	logger   *slog.Logger
	audit    audit.Log
	out      sender

	installs, runs schedule.Slots
	outputs        *budget.Budget // large ones that wait to be decoded
	decoding       schedule.Slots // one, taken while a large one is
	active         sync.WaitGroup // installs, and calls from outside

	mu        sync.Mutex
	ctx       context.Context               // guarded by mu; nil while the agent does not run
	stopped   bool                          // guarded by mu
	plugins   map[pluginKey]*assignedPlugin // guarded by mu
	turns     map[pluginKey]*turns          // guarded by mu
	conflicts []string                      // guarded by mu
}

// sender takes what plugins measure, with prefix before the names, and returns what
// cannot be sent. The agent is one.
type sender interface {
	// buffer does not wait.
	buffer(namespace, prefix string, metrics []Metric) (bad []*MetricError)
	// bufferWaiting returns once the metrics are safe, or soon after ctx has ended.
	bufferWaiting(ctx context.Context, namespace, prefix string, metrics []Metric) (bad []*MetricError)
}

// turns are shared by the plugins that have a key one after the other.
type turns struct {
	fetch schedule.Slots // one, taken while a plugin is installed, updated, rolled back or removed
	run   schedule.Slots // one, taken while a plugin runs
	users int            // plugins that are assigned or not removed yet; guarded by pluginSet.mu
}

func newPluginSet(runner *runnerPart, state statefile.Dir, logger *slog.Logger, audit audit.Log, out sender) *pluginSet {
	return &pluginSet{
		runner: runner, disabled: newDisabledPlugins(state, logger), logger: logger, audit: audit, out: out,
		installs: make(schedule.Slots, installsAtOnce), runs: make(schedule.Slots, runsAtOnce),
		outputs: budget.New(maxOutputs), decoding: make(schedule.Slots, 1),
		plugins: make(map[pluginKey]*assignedPlugin), turns: make(map[pluginKey]*turns),
	}
}

// start lets plugins be installed until ctx ends, and remembers which are
// disabled.
func (s *pluginSet) start(ctx context.Context) {
	s.disabled.load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
}

// assign makes the plugins of the assignments the whole set. Of two with one
// key the first stays.
func (s *pluginSet) assign(assignments []Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plugins, conflicts := distinctPlugins(assignments)
	s.conflicts = conflicts
	next := make(map[pluginKey]*assignedPlugin, len(plugins))
	for _, p := range plugins {
		key := keyOf(p)
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

// distinctPlugins returns the plugins of the assignments, the first of those with
// one key, and a sentence for each of the others.
func distinctPlugins(assignments []Assignment) (plugins []Plugin, conflicts []string) {
	taken := make(map[pluginKey]string) // the first one's name
	for _, assignment := range assignments {
		for _, p := range assignment.Plugins {
			p.Namespace = assignment.Namespace
			key := keyOf(p)
			if first, isTaken := taken[key]; isTaken {
				conflicts = append(conflicts, fmt.Sprintf(
					"plugin %s: the project %s is assigned to namespace %s already, for %s: rename one of them",
					p.Name, key.project, p.Namespace, first))
				continue
			}
			taken[key] = p.Name
			plugins = append(plugins, p)
		}
	}
	return plugins, conflicts
}

// adopt returns the plugin that is there with its new settings, or else a new
// one, which it begins to install. The caller holds mu.
func (s *pluginSet) adopt(key pluginKey, p Plugin) *assignedPlugin {
	if old := s.plugins[key]; old != nil && old.reassign(p) {
		return old
	}
	life, gone := context.WithCancel(s.ctx)
	ctx, stop := context.WithCancel(life)
	if s.turns[key] == nil {
		s.turns[key] = &turns{fetch: make(schedule.Slots, 1), run: make(schedule.Slots, 1)}
	}
	s.turns[key].users++
	added := &assignedPlugin{
		set: s, key: key, plugin: p, turns: s.turns[key], life: life, gone: gone, stop: stop,
		tried: make(chan struct{}), again: make(chan struct{}, 1), daemon: daemon{changed: make(chan struct{}, 1)},
	}
	s.active.Go(func() { added.install(ctx) })
	return added
}

// tryNow makes all plugins that could not be installed be tried again at once.
func (s *pluginSet) tryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.plugins {
		p.tryNow()
	}
}

// installAgain lets the runner install each plugin again, which may now be allowed or
// refused, or run as another user. A first attempt that is under way goes on.
func (s *pluginSet) installAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runner == nil || s.stopped || s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	for _, p := range s.plugins {
		p.installAgain()
	}
}

// remove forgets a plugin that is not assigned any more, once nobody uses it.
func (s *pluginSet) remove(ctx context.Context, gone *assignedPlugin) {
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

// uninstall deletes what was installed of a plugin, unless it has been assigned
// again meanwhile.
func (s *pluginSet) uninstall(ctx context.Context, gone *assignedPlugin) {
	s.mu.Lock()
	again := s.plugins[gone.key] != nil
	s.mu.Unlock()
	if again || s.runner == nil {
		return
	}
	plugin := gone.assigned()
	was := s.runner.inspect(plugin)
	if err := s.runner.remove(ctx, plugin); err != nil {
		s.logger.Warn("a plugin that is not assigned any more could not be removed", "plugin", gone.key.String(), "error", err)
		return
	}
	s.noteVersion(gone.key, plugin, byRegistry, was, PluginDetails{})
}

// jobs returns the periodic runs.
func (s *pluginSet) jobs(hostname string) map[string]schedule.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := make(map[string]schedule.Job)
	for key, p := range s.plugins {
		interval := p.assigned().Interval
		if interval <= 0 || s.runner == nil {
			continue
		}
		interval = max(interval, shortestPluginInterval)
		name := "plugin " + key.String() + " " + p.assigned().Repo
		jobs[name] = schedule.Job{
			Interval: interval,
			Phase:    schedule.PhaseOf(interval, hostname, key.namespace, key.project),
			Run:      func(ctx context.Context) { p.runPeriodic(ctx, interval) },
		}
	}
	return jobs
}

// find returns the plugin of a namespace with a repository's address in any of
// its forms.
func (s *pluginSet) find(namespace, repo string) (*assignedPlugin, error) {
	wanted, err := repopath.Parse(repo)
	if err != nil {
		return nil, &InputError{Err: fmt.Errorf("the repo %.100q: %w", repo, err)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.plugins[pluginKey{namespace, path.Base(wanted)}]
	if p == nil || p.assigned().Repo != wanted {
		return nil, fmt.Errorf("namespace %.100q, repo %.100q: %w", namespace, repo, ErrNoPlugin)
	}
	return p, nil
}

// list returns the status of each plugin, in order of namespace and project.
func (s *pluginSet) list() []PluginStatus {
	s.mu.Lock()
	plugins := make([]*assignedPlugin, 0, len(s.plugins))
	for _, p := range s.plugins {
		plugins = append(plugins, p)
	}
	s.mu.Unlock()
	slices.SortFunc(plugins, func(a, b *assignedPlugin) int {
		return cmp.Or(strings.Compare(a.key.namespace, b.key.namespace), strings.Compare(a.key.project, b.key.project))
	})
	list := make([]PluginStatus, 0, len(plugins))
	for _, p := range plugins {
		list = append(list, p.status())
	}
	return list
}

// problems returns a sentence for each conflict, and one where plugins cannot
// run at all.
func (s *pluginSet) problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	problems := slices.Clone(s.conflicts)
	if s.runner == nil && len(s.plugins) > 0 {
		problems = append(problems, fmt.Sprintf("%d plugins are assigned, but this agent has no plugin runner", len(s.plugins)))
	}
	return problems
}

// within returns ctx bounded by the agent's own run, which waits for done.
func (s *pluginSet) within(ctx context.Context) (bounded context.Context, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx == nil:
		return nil, nil, ErrNotRunning
	case s.stopped:
		return nil, nil, ErrStopped
	}
	bounded, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	s.active.Add(1)
	return bounded, func() { stop(); cancel(); s.active.Done() }, nil
}

// isStopping tells whether the agent's own run has ended.
func (s *pluginSet) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx.Err() != nil
}

// wait refuses further calls and returns when those under way and all installs
// have ended, or ctx ends.
func (s *pluginSet) wait(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	return waitgroup.Wait(ctx, &s.active)
}
