package agenttest

import (
	"context"
	"crypto/sha1"
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
	published  map[string]*Program   // guarded by notes, as all below; by repository, nil: there is none
	versions   map[string]Program    // by repository and version
	installed  map[string]*installed // by namespace and project
	fetching   map[string]bool
	running    map[string]bool
	answer     func(context.Context, agent.Plugin, []string) ([]byte, error)
	installs   []agent.Plugin
	updates    []agent.Plugin
	rollbacks  []agent.Plugin
	removals   []agent.Plugin
	runs       []PluginRun
	violations []string
}

var (
	_ agent.PluginRunner     = (*PluginRunner)(nil)
	_ agent.PluginRemover    = (*PluginRunner)(nil)
	_ agent.PluginRollbacker = (*PluginRunner)(nil)
	_ agent.PluginInspector  = (*PluginRunner)(nil)

	_ agent.PluginDaemonRunner = (*PluginRunner)(nil)
)

// installed is what is installed of a plugin.
type installed struct {
	release
	repo     string
	assigned string // the version that the registry named then
	by       string
	before   []release // the last one first
}

// release is a version of a program.
type release struct {
	program Program
	version string // empty: it was the newest
}

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
		versions:  make(map[string]Program),
		installed: make(map[string]*installed),
		fetching:  make(map[string]bool),
		running:   make(map[string]bool),
	}
}

// Publish makes program the newest release of the repository ORG/PROJECT.
// Installed plugins change only with Update.
func (r *PluginRunner) Publish(repo string, program Program) {
	r.notes.change(func() { r.published[repo] = &program })
}

// PublishVersion makes program the newest release of the repository ORG/PROJECT,
// and the one that has the name of the version. There are no other versions.
func (r *PluginRunner) PublishVersion(repo, version string, program Program) {
	r.notes.change(func() {
		r.published[repo] = &program
		r.versions[repo+" "+version] = program
	})
}

// Unpublish removes the repository ORG/PROJECT: it can be neither installed
// nor updated.
func (r *PluginRunner) Unpublish(repo string) {
	r.notes.change(func() { r.published[repo] = nil })
}

// Answer makes f run the installed plugins. A nil f makes their programs run
// again.
func (r *PluginRunner) Answer(f func(ctx context.Context, p agent.Plugin, args []string) ([]byte, error)) {
	r.notes.change(func() { r.answer = f })
}

// installCalls are the calls of which there is one at a time for a plugin.
const installCalls = "Install, Update, Rollback or Remove"

// Install implements [agent.PluginRunner].
func (r *PluginRunner) Install(ctx context.Context, p agent.Plugin) error {
	defer r.claim(r.fetching, p, installCalls)()
	if err := r.Installing.obey(ctx); err != nil {
		return err
	}
	return r.fetch(p, &r.installs, "registry")
}

// Update implements [agent.PluginRunner].
func (r *PluginRunner) Update(ctx context.Context, p agent.Plugin) error {
	defer r.claim(r.fetching, p, installCalls)()
	if err := r.Updating.obey(ctx); err != nil {
		return err
	}
	return r.fetch(p, &r.updates, "update")
}

// Remove implements [agent.PluginRemover].
func (r *PluginRunner) Remove(_ context.Context, p agent.Plugin) error {
	defer r.claim(r.fetching, p, installCalls)()
	r.notes.change(func() {
		delete(r.installed, keyOf(p))
		r.removals = append(r.removals, p)
	})
	return nil
}

// Rollback implements [agent.PluginRollbacker].
func (r *PluginRunner) Rollback(_ context.Context, p agent.Plugin) (err error) {
	defer r.claim(r.fetching, p, installCalls)()
	r.notes.change(func() {
		i := r.installed[keyOf(p)]
		if i == nil || i.repo != p.Repo || len(i.before) == 0 {
			err = agent.ErrNoEarlierVersion
			return
		}
		r.installed[keyOf(p)] = &installed{i.before[0], p.Repo, p.Version, "rollback", i.before[1:]}
		r.rollbacks = append(r.rollbacks, p)
	})
	return err
}

// InspectPlugin implements [agent.PluginInspector]: it tells the version.
func (r *PluginRunner) InspectPlugin(p agent.Plugin) agent.PluginDetails {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	i := r.installed[keyOf(p)]
	if i == nil || i.repo != p.Repo {
		return agent.PluginDetails{}
	}
	return agent.PluginDetails{Commit: fmt.Sprintf("%x", sha1.Sum(fmt.Append(nil, i.program))), Version: i.version, By: i.by, Format: i.program.Format, Mode: i.program.Mode}
}

// fetch installs what is wanted of a plugin, and remembers that in calls.
func (r *PluginRunner) fetch(p agent.Plugin, calls *[]agent.Plugin, by string) (err error) {
	r.notes.change(func() {
		i := r.installed[keyOf(p)]
		if i != nil && i.repo != p.Repo {
			i = nil
		}
		if i == nil || i.assigned != p.Version || by == "update" {
			var next release
			if next, err = r.wanted(p); err != nil {
				return
			}
			r.installed[keyOf(p)] = i.replacedBy(next, p, by)
		}
		*calls = append(*calls, p)
	})
	return err
}

// wanted returns the release of a plugin that is to be installed. The caller
// holds the lock of notes.
func (r *PluginRunner) wanted(p agent.Plugin) (release, error) {
	program, known := r.published[p.Repo]
	switch {
	case !known:
		program = &Program{Print: "[]"}
	case program == nil:
		return release{}, fmt.Errorf("there is no repository %s", p.Repo)
	}
	if p.Version == "" {
		return release{program: *program}, nil
	}
	versioned, known := r.versions[p.Repo+" "+p.Version]
	if !known {
		return release{}, fmt.Errorf("the repository %s has no version %s", p.Repo, p.Version)
	}
	return release{versioned, p.Version}, nil
}

// replacedBy returns what is installed then. The last three versions are kept.
func (i *installed) replacedBy(next release, p agent.Plugin, by string) *installed {
	after := &installed{next, p.Repo, p.Version, by, nil}
	switch {
	case i == nil:
	case i.program == next.program:
		after.before = i.before
	default:
		after.before = append([]release{i.release}, i.before...)
		after.before = after.before[:min(2, len(after.before))]
	}
	return after
}

// Run implements [agent.PluginRunner].
func (r *PluginRunner) Run(ctx context.Context, p agent.Plugin, args []string) (stdout []byte, err error) {
	return r.runProgram(ctx, p, args, nil)
}

// RunDaemon implements [agent.PluginDaemonRunner]. What the program prints comes at
// once.
func (r *PluginRunner) RunDaemon(ctx context.Context, p agent.Plugin, args []string, output func(lines []byte) error) error {
	_, err := r.runProgram(ctx, p, args, output)
	return err
}

// runProgram runs a program, as a daemon if there is an output.
func (r *PluginRunner) runProgram(ctx context.Context, p agent.Plugin, args []string, output func(lines []byte) error) (stdout []byte, err error) {
	defer r.claim(r.running, p, "Run")()
	run := PluginRun{Plugin: p, Args: slices.Clone(args), Began: time.Now()}
	defer func() {
		run.Ended, run.Stdout, run.Err = time.Now(), slices.Clone(stdout), err
		r.notes.change(func() { r.runs = append(r.runs, run) })
	}()
	r.notes.mu.Lock()
	present := r.installed[keyOf(p)]
	answer := r.answer
	r.notes.mu.Unlock()
	if err := r.obey(ctx); err != nil {
		if ctx.Err() != nil {
			err = &agent.RunError{Result: agent.RunTimeout, Err: err}
		}
		return nil, err
	}
	if present == nil {
		return nil, &agent.RunError{Result: agent.RunStart, Err: errors.New("the plugin is not installed")}
	}
	if answer != nil {
		return answer(ctx, p, args)
	}
	if output != nil {
		return nil, present.program.runDaemon(ctx, args, output)
	}
	return present.program.run(ctx, args)
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

// Rollbacks returns the plugin of each Rollback that succeeded, in order.
func (r *PluginRunner) Rollbacks() []agent.Plugin {
	r.notes.mu.Lock()
	defer r.notes.mu.Unlock()
	return slices.Clone(r.rollbacks)
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
