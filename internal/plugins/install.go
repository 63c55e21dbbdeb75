package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/event"
)

// install tries until the plugin is installed or ctx ends.
func (p *Assigned) install(ctx context.Context) {
	if p.set.Runner == nil {
		close(p.tried)
		return
	}
	err := p.fetch(ctx, ByRegistry, Runner.Install)
	close(p.tried)
	p.retry(ctx, err)
}

// longestRetryPause is the longest pause between two attempts to install a plugin.
const longestRetryPause = 10 * time.Minute

// retry tries to install again and again after an error. A plugin that the host's config
// refuses is tried again only rarely: it may be signed by now.
func (p *Assigned) retry(ctx context.Context, err error) {
	failed := backoff.Backoff{First: 2 * time.Second, Most: longestRetryPause}
	refused := backoff.Backoff{First: longestRetryPause, Most: longestRetryPause}
	for err != nil {
		pause := &failed
		if p.set.Errors.Refused(err) {
			pause = &refused
		}
		if !p.pause(ctx, pause.Next()) {
			return
		}
		err = p.fetch(ctx, ByRegistry, Runner.Install)
	}
}

// pause waits for d, or until tryNow is called. It returns false as soon as ctx
// ends.
func (p *Assigned) pause(ctx context.Context, d time.Duration) bool {
	ended, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	select {
	case <-p.again:
	case <-ended.Done():
	}
	return ctx.Err() == nil
}

// tryNow ends the pause before the next attempt to install a plugin.
func (p *Assigned) tryNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.installError == nil {
		return
	}
	select {
	case p.again <- struct{}{}:
	default: // it is told already
	}
}

// fetch calls Install, Update or Rollback, and notes the result. by says who asked for it.
func (p *Assigned) fetch(ctx context.Context, by string, get func(Runner, context.Context, Plugin) error) error {
	// The plugin's own turn first: while it waits for that, it does not occupy a shared slot.
	if !p.turns.fetch.Take(ctx) {
		return ctx.Err()
	}
	defer p.turns.fetch.Give()
	if !p.set.installs.Take(ctx) {
		return ctx.Err()
	}
	defer p.set.installs.Give()
	plugin := p.assigned()
	was := p.set.inspect(plugin)
	err := get(p.set.Runner, ctx, plugin)
	is := p.set.inspect(plugin)
	if is.Commit != "" { // else it is not known
		p.set.noteVersion(p.key, plugin, by, was, is)
	}
	if errors.Is(err, p.set.Errors.NoEarlier) {
		return err // the caller's matter: what is installed is as it should be
	}
	present := err == nil || is.Commit != ""
	p.mu.Lock()
	before, wasInstalled := p.installError, p.installed
	p.installError = err
	p.installed = p.installed || present
	p.ownFormat, p.ownMode = is.Format, is.Mode
	p.mu.Unlock()
	if is.Commit != was.Commit || is.Mode != was.Mode || !wasInstalled {
		p.daemonChanged()
	}
	if err != nil && (before == nil || before.Error() != err.Error()) && ctx.Err() == nil {
		p.set.Logger.Error("a plugin could not be fetched", event.Attr(event.PluginNotFetched), "plugin", p.key.String(), "repo", plugin.Repo, "error", err)
		p.set.noteRefusal(p.key, plugin, by, err)
	}
	return err
}

// move installs the version that is assigned now. The former one runs until then. The caller
// holds mu, and that of the set.
func (p *Assigned) move() {
	p.stop()
	ctx, stop := context.WithCancel(p.life)
	p.stop = stop
	p.set.active.Go(func() { p.retry(ctx, p.fetch(ctx, ByRegistry, Runner.Install)) })
}

// installAgain installs the assigned version again, unless the first attempt is under way.
// The caller holds the mu of the set.
func (p *Assigned) installAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.installed || p.installError != nil {
		p.move()
	}
}

// awaitsInstall reports whether the first attempt to install is still under way. Then there
// is nothing to run, and no failure to report.
func (p *Assigned) awaitsInstall() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.installed && p.installError == nil && p.set.Runner != nil
}

// notInstalled returns why there is nothing to run.
func (p *Assigned) notInstalled() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.set.Runner == nil:
		return p.set.Errors.Failed(NotStarted, errors.New("this agent has no plugin runner"))
	case !p.installed && p.installError != nil:
		return p.set.Errors.Failed(p.set.Errors.notStarted(p.installError), fmt.Errorf("not installed: %w", p.installError))
	case !p.installed:
		return p.set.Errors.Failed(NotStarted, errors.New("it is still being installed: try again later"))
	}
	return nil
}
