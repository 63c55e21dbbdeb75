package agenttest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/lodastack/agent"
)

// PluginRunner is an [agent.PluginRunner] without processes and git. It records
// its runs. Its own knobs affect Run.
type PluginRunner struct {
	Knobs
	// Installing and Updating are the knobs of Install and Update.
	Installing, Updating Knobs

	notes      notes
	published  map[string]*Program // guarded by notes, as all below; by repository; nil: it does not exist
	installed  map[string]Program  // by namespace and project
	fetching   map[string]bool
	running    map[string]bool
	answer     func(context.Context, agent.Plugin, []string) ([]byte, error)
	installs   []agent.Plugin
	updates    []agent.Plugin
	removals   []agent.Plugin
	runs       []PluginRun
	violations []string
}

var (
	_ agent.PluginRunner  = (*PluginRunner)(nil)
	_ agent.PluginRemover = (*PluginRunner)(nil)
)

// PluginRun is one call of Run.
type PluginRun struct {
	Plugin agent.Plugin
	Args   []string
	// Began and Ended are when Run was called and when it returned.
	Began, Ended time.Time
	Stdout       []byte
	Err          error
}

// NewPluginRunner returns a PluginRunner with every repository. Their plugins
// print an empty list of metrics.
func NewPluginRunner() *PluginRunner {
	return &PluginRunner{
		published: make(map[string]*Program),
		installed: make(map[string]Program),
		fetching:  make(map[string]bool),
		running:   make(map[string]bool),
	}
}

// Publish makes program the newest release of the repository ORG/PROJECT.
// Installed plugins change only with Update.
func (r *PluginRunner) Publish(repo string, program Program) {
	r.notes.change(func() { r.published[repo] = &program })
}

// Unpublish removes the repository ORG/PROJECT. Its plugin can then be neither
// installed nor updated.
func (r *PluginRunner) Unpublish(repo string) {
	r.notes.change(func() { r.published[repo] = nil })
}

// Answer makes f run the installed plugins. A nil f makes their programs run
// again.
func (r *PluginRunner) Answer(f func(ctx context.Context, p agent.Plugin, args []string) ([]byte, error)) {
	r.notes.change(func() { r.answer = f })
}

// Install implements [agent.PluginRunner].
func (r *PluginRunner) Install(ctx context.Context, p agent.Plugin) error {
	defer r.claim(r.fetching, p, "Install, Update or Remove")()
	if err := r.Installing.obey(ctx); err != nil {
		return err
	}
	return r.fetch(p, &r.installs, false)
}

// Update implements [agent.PluginRunner].
func (r *PluginRunner) Update(ctx context.Context, p agent.Plugin) error {
	defer r.claim(r.fetching, p, "Install, Update or Remove")()
	if err := r.Updating.obey(ctx); err != nil {
		return err
	}
	return r.fetch(p, &r.updates, true)
}

// Remove implements [agent.PluginRemover].
func (r *PluginRunner) Remove(_ context.Context, p agent.Plugin) error {
	defer r.claim(r.fetching, p, "Install, Update or Remove")()
	r.notes.change(func() {
		delete(r.installed, keyOf(p))
		r.removals = append(r.removals, p)
	})
	return nil
}

// fetch installs the published program, and records the call in calls.
func (r *PluginRunner) fetch(p agent.Plugin, calls *[]agent.Plugin, replace bool) (err error) {
	r.notes.change(func() {
		if _, present := r.installed[keyOf(p)]; !present || replace {
			program, known := r.published[p.Repo]
			switch {
			case !known:
				program = &Program{Print: "[]"}
			case program == nil:
				err = fmt.Errorf("there is no repository %s", p.Repo)
				return
			}
			r.installed[keyOf(p)] = *program
		}
		*calls = append(*calls, p)
	})
	return err
}

// Run implements [agent.PluginRunner].
func (r *PluginRunner) Run(ctx context.Context, p agent.Plugin, args []string) (stdout []byte, err error) {
	defer r.claim(r.running, p, "Run")()
	run := PluginRun{Plugin: p, Args: slices.Clone(args), Began: time.Now()}
	defer func() {
		run.Ended, run.Stdout, run.Err = time.Now(), slices.Clone(stdout), err
		r.notes.change(func() { r.runs = append(r.runs, run) })
	}()
	r.notes.mu.Lock()
	program, installed := r.installed[keyOf(p)]
	answer := r.answer
	r.notes.mu.Unlock()
	if err := r.obey(ctx); err != nil {
		if ctx.Err() != nil {
			err = &agent.RunError{Result: agent.RunTimeout, Err: err}
		}
		return nil, err
	}
	if !installed {
		return nil, &agent.RunError{Result: agent.RunStart, Err: errors.New("the plugin is not installed")}
	}
	if answer != nil {
		return answer(ctx, p, args)
	}
	return program.run(ctx, args)
}

// claim records that a call for the plugin is in progress until release is
// called. It records a violation if another call is.
func (r *PluginRunner) claim(calls map[string]bool, p agent.Plugin, what string) (release func()) {
	key := keyOf(p)
	r.notes.change(func() {
		if calls[key] {
			r.violations = append(r.violations, fmt.Sprintf("two calls of %s at a time for plugin %s", what, key))
		}
		calls[key] = true
	})
	return func() { r.notes.change(func() { delete(calls, key) }) }
}

// Installs returns the plugin of each Install that succeeded, in order.
func (r *PluginRunner) Installs() []agent.Plugin {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.installs)
}

// Updates returns the plugin of each Update that succeeded, in order.
func (r *PluginRunner) Updates() []agent.Plugin {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.updates)
}

// Removals returns the plugin of each Remove, in order.
func (r *PluginRunner) Removals() []agent.Plugin {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.removals)
}

// Runs returns the runs that have ended, in the order of their ends.
func (r *PluginRunner) Runs() []PluginRun {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.runs)
}

// WaitFor returns the runs as soon as n have ended, and fails the test after 30
// seconds.
func (r *PluginRunner) WaitFor(tb testing.TB, n int) []PluginRun {
	tb.Helper()
	var runs []PluginRun
	r.notes.wait(tb,
		func() bool { runs = slices.Clone(r.runs); return len(runs) >= n },
		func() string { return fmt.Sprintf("%d of %d runs have ended", len(runs), n) })
	return runs
}

// WaitForInstalls returns the plugins as soon as n installs have succeeded, and
// fails the test after 30 seconds.
func (r *PluginRunner) WaitForInstalls(tb testing.TB, n int) []agent.Plugin {
	tb.Helper()
	var installs []agent.Plugin
	r.notes.wait(tb,
		func() bool { installs = slices.Clone(r.installs); return len(installs) >= n },
		func() string { return fmt.Sprintf("%d of %d plugins were installed", len(installs), n) })
	return installs
}

// Violations returns the calls that [agent.PluginRunner] does not allow, such
// as two runs of one plugin at a time.
func (r *PluginRunner) Violations() []string {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.violations)
}

// keyOf returns the key of a plugin on a host.
func keyOf(p agent.Plugin) string { return p.Namespace + "/" + path.Base(p.Repo) }
