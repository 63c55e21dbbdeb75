package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// releases is a runner that knows which commit of a plugin is installed, and that
// the host's config refuses one repository.
type releases struct {
	*agenttest.PluginRunner

	mu        sync.Mutex
	newest    string            // guarded by mu, as all below
	installed map[string]string // commits by repository
}

const refusedRepo = "org/refused"

var errRefused = &agent.PolicyError{Rule: "policy.plugins", Err: errors.New("refused by policy.plugins: org/refused matches none of its globs")}

func newReleases() *releases {
	return &releases{PluginRunner: agenttest.NewPluginRunner(), newest: "c1", installed: make(map[string]string)}
}

func (r *releases) release(commit string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = commit
}

func (r *releases) Install(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, r.PluginRunner.Install)
}

func (r *releases) Update(ctx context.Context, p agent.Plugin) error {
	return r.fetch(ctx, p, r.PluginRunner.Update)
}

func (r *releases) fetch(ctx context.Context, p agent.Plugin, get func(context.Context, agent.Plugin) error) error {
	if p.Repo == refusedRepo {
		return errRefused
	}
	r.mu.Lock()
	r.installed[p.Repo] = r.newest
	r.mu.Unlock()
	return get(ctx, p)
}

func (r *releases) Rollback(_ context.Context, p agent.Plugin) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.installed[p.Repo] {
	case "c1":
		return agent.ErrNoEarlierVersion
	case "c2":
		r.installed[p.Repo] = "c1"
		return nil
	}
	return errRefused
}

func (r *releases) Remove(ctx context.Context, p agent.Plugin) error {
	r.mu.Lock()
	delete(r.installed, p.Repo)
	r.mu.Unlock()
	return r.PluginRunner.Remove(ctx, p)
}

func (r *releases) InspectPlugin(p agent.Plugin) agent.PluginDetails {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.installed[p.Repo] == "" {
		return agent.PluginDetails{}
	}
	return agent.PluginDetails{Commit: r.installed[p.Repo], Version: "v1", Signer: "ops@example.com"}
}

// auditLines keeps the lines of an audit log.
type auditLines struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *auditLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

// take returns the lines since the last call as WHO: WHAT: RESULT.
func (l *auditLines) take(t *testing.T) (lines []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, text := range l.lines {
		var line struct{ Time, Who, From, What, Result string }
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		require.NotEmpty(t, line.Time)
		require.Equal(t, "agent", line.From)
		lines = append(lines, strings.Join([]string{line.Who, line.What, line.Result}, ": "))
	}
	l.lines = nil
	return lines
}

func TestEachChangeOfAVersionIsALineOfTheAuditLog(t *testing.T) {
	log, runner, events := &auditLines{}, newReleases(), newEventLog(slog.LevelInfo)
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.run()
		require.Equal(t, []string{"registry: plugin web/mysql org/mysql installed to c1 version v1 signed by ops@example.com: ok"}, log.take(t))
		attrs, level := events.event(agent.EventPluginChanged)
		require.Equal(t, slog.LevelInfo, level)
		for key, want := range map[string]string{"plugin": "web/mysql", "repo": "org/mysql", "by": "registry", "from": "", "to": "c1", "signer": "ops@example.com"} {
			require.Equal(t, want, attrs[key].String(), key)
		}

		w.pass(time.Hour)
		require.NoError(t, w.Update(t.Context()))
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		require.Empty(t, log.take(t), "nothing has changed")

		runner.release("c2")
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		require.Equal(t, []string{"update: plugin web/mysql org/mysql changed from c1 to c2 version v1 signed by ops@example.com: ok"}, log.take(t))

		runner.release("c3")
		pinned := plugin("mysql", time.Minute)
		pinned.Version = "v1"
		assignPlugins(w, pinned)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Second)
		require.Equal(t, []string{"registry: plugin web/mysql org/mysql changed from c2 to c3 version v1 signed by ops@example.com: ok"}, log.take(t))

		assignPlugins(w)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Second)
		require.Equal(t, []string{"registry: plugin web/mysql org/mysql removed from c3: ok"}, log.take(t))
	}, agent.WithAuditLog(log), agent.WithPluginRunner(runner), agent.WithLogger(slog.New(events)))
}

func TestRefusedPluginIsOneLineOfTheAuditLog(t *testing.T) {
	log, runner := &auditLines{}, newReleases()
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("refused", time.Minute))
		w.run()
		w.pass(3 * time.Hour)
		require.Equal(t, []string{"registry: plugin web/refused org/refused its newest release: " + errRefused.Error()}, log.take(t))
		require.Greater(t, len(w.output.Named("plugin.refused")), 100)
		require.Error(t, w.UpdatePlugin(t.Context(), "web", refusedRepo))
		require.Empty(t, log.take(t), "it is refused still")
	}, agent.WithAuditLog(log), agent.WithPluginRunner(runner))
}

func TestEachRollbackIsALineOfTheAuditLog(t *testing.T) {
	log, runner := &auditLines{}, newReleases()
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute))
		w.run()
		log.take(t)
		require.ErrorIs(t, w.RollbackPlugin(t.Context(), "web", "org/mysql"), agent.ErrNoEarlierVersion)
		require.Empty(t, log.take(t), "nothing has changed")

		runner.release("c2")
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		log.take(t)
		require.NoError(t, w.RollbackPlugin(t.Context(), "web", "org/mysql"))
		require.Equal(t, []string{"rollback: plugin web/mysql org/mysql changed from c2 to c1 version v1 signed by ops@example.com: ok"}, log.take(t))

		runner.release("c3")
		require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/mysql"))
		log.take(t)
		require.Error(t, w.RollbackPlugin(t.Context(), "web", "org/mysql"))
		require.Equal(t, []string{"rollback: plugin web/mysql org/mysql the version before: " + errRefused.Error()}, log.take(t))
	}, agent.WithAuditLog(log), agent.WithPluginRunner(runner))
}

// A log that panics costs its lines, and a plugin of a runner that tells nothing
// makes none.
func TestAuditLogHarmsNoPlugin(t *testing.T) {
	panics := writerFunc(func([]byte) (int, error) { panic("full") })
	for _, runner := range []agent.PluginRunner{newReleases(), agenttest.NewPluginRunner()} {
		inBubble(t, func(t *testing.T, w *world) {
			assignPlugins(w, plugin("mysql", time.Minute), plugin("refused", time.Minute))
			w.run()
			w.pass(2 * time.Minute)
			require.NotEmpty(t, w.output.Named("plugin.mysql"))
		}, agent.WithAuditLog(panics), agent.WithPluginRunner(runner))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(content []byte) (int, error) { return f(content) }
