package plugins

import (
	"log/slog"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/statefile"
)

const (
	// disabledFor is how long a disabled plugin stays disabled.
	disabledFor = 24 * time.Hour
	// DisabledFile in the state directory holds when plugins were disabled.
	DisabledFile = "disabled.json"
)

// disabledPlugins keeps over restarts which plugins do not run periodically.
type disabledPlugins struct {
	state  statefile.Dir
	logger *slog.Logger

	mu    sync.Mutex
	since map[string]time.Time // guarded by mu; when, by the key's String
}

func newDisabledPlugins(state statefile.Dir, logger *slog.Logger) *disabledPlugins {
	return &disabledPlugins{state: state, logger: logger, since: make(map[string]time.Time)}
}

// load reads the state of an earlier run of the agent.
func (d *disabledPlugins) load() {
	since := make(map[string]time.Time)
	err := d.state.Load(DisabledFile, &since)
	if err != nil {
		d.logger.Warn("all plugins start enabled", "error", err)
	}
	if since == nil || err != nil { // null is JSON, too
		since = make(map[string]time.Time)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = since
}

// add stops the periodic runs for a day, and remove resumes them. Both have saved the state
// when they return.
func (d *disabledPlugins) add(key Key) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since[key.String()] = time.Now()
	return d.state.Save(DisabledFile, d.since)
}

func (d *disabledPlugins) remove(key Key) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, disabled := d.since[key.String()]; !disabled {
		return nil
	}
	delete(d.since, key.String())
	return d.state.Save(DisabledFile, d.since)
}

// until returns when the disabled plugin is enabled again. Zero: it is enabled.
func (d *disabledPlugins) until(key Key) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, disabled := d.since[key.String()]
	if !disabled || isOver(since) {
		return time.Time{}
	}
	return since.Add(disabledFor)
}

// isOver reports whether a plugin that was disabled at that time is enabled again. A clock
// that was set back must not extend that time.
func isOver(since time.Time) bool {
	age := time.Since(since)
	return age < 0 || age >= disabledFor
}

// mayRun reports whether the plugin is enabled, and enables one that has been disabled for a
// day.
func (d *disabledPlugins) mayRun(key Key) bool {
	d.mu.Lock()
	since, disabled := d.since[key.String()]
	over := disabled && isOver(since)
	var unsaved error
	if over {
		delete(d.since, key.String())
		unsaved = d.state.Save(DisabledFile, d.since)
	}
	d.mu.Unlock()
	if over {
		d.logger.Info("a plugin that was disabled for a day is enabled again", event.Attr(event.PluginEnabled), "plugin", key.String())
	}
	if unsaved != nil {
		d.logger.Warn("that a plugin is enabled again is not remembered", "plugin", key.String(), "error", unsaved)
	}
	return over || !disabled
}
