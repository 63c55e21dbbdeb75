package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// eventLog is a handler for a program that acts on events.
type eventLog struct {
	level slog.Level

	mu   sync.Mutex
	seen map[string]map[string]slog.Value // attributes by event, of the first of each; guarded by mu
	at   map[string]slog.Level            // guarded by mu
}

func newEventLog(level slog.Level) *eventLog {
	return &eventLog{level: level, seen: make(map[string]map[string]slog.Value), at: make(map[string]slog.Level)}
}

func (l *eventLog) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l *eventLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *eventLog) WithGroup(string) slog.Handler                    { return l }

func (l *eventLog) Handle(_ context.Context, r slog.Record) error {
	attrs := make(map[string]slog.Value)
	r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value; return true })
	name := attrs[agent.EventKey].String()
	l.mu.Lock()
	defer l.mu.Unlock()
	if attrs[agent.EventKey].Any() != nil && l.seen[name] == nil {
		delete(attrs, agent.EventKey)
		l.seen[name], l.at[name] = attrs, r.Level
	}
	return nil
}

// event returns the attributes of an event and its level; nil if there was none.
func (l *eventLog) event(name string) (map[string]slog.Value, slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[name], l.at[name]
}

// live makes everything happen to an agent for which the log has an event.
func live(t *testing.T, w *world) {
	w.registry.Assign(agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{
		{Name: "PLUGIN.p", Repo: "org/p", Interval: time.Minute}, {Name: "PLUGIN.none", Repo: "org/none", Interval: time.Minute},
	}})
	w.registry.FailTimes(1, errAway)
	w.runner.Unpublish("org/none")
	w.runner.Publish("org/p", agenttest.Program{Print: `[{"name":"a","value":1},{"name":"b b"}]`})
	w.run()
	w.pass(2 * time.Minute)
	require.NoError(t, w.Post(t.Context(), "web", metrics(3)))
	require.NoError(t, w.DisablePlugin(t.Context(), "web", "org/p"))
	w.pass(25 * time.Hour)

	w.runner.Publish("org/p", agenttest.Program{Print: "oops"})
	require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/p"))
	w.pass(time.Minute)
	w.runner.Publish("org/p", agenttest.Program{Print: "[]"})
	require.NoError(t, w.UpdatePlugin(t.Context(), "web", "org/p"))
	w.pass(time.Minute)

	w.output.Fail(errAway)
	require.NoError(t, w.Post(t.Context(), "web", metrics(3)))
	w.output.Heal()
	w.pass(10 * time.Second)
	w.output.Fail(agent.Permanent(errors.New("bad")))
	w.pass(time.Minute)
	w.output.Heal()
	w.stop()
}

// unsteady is a collector that fails once, and never has only good metrics.
func unsteady() agent.Collector {
	var once sync.Once
	return agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		var err error
		once.Do(func() { err = errAway })
		return []agent.Metric{{Name: "good", Value: 1}, {Name: "b b", Value: 1}}, err
	})
}

// eventsOf lets an agent with a log of a level live, and returns the log.
func eventsOf(t *testing.T, level slog.Level) *eventLog {
	log := newEventLog(level)
	inBubble(t, live, agent.WithLogger(slog.New(log)), agent.WithStore(agenttest.NewStore()),
		agent.WithCollector("X", 10*time.Second, unsteady()))
	return log
}

func TestEventsHaveTheirAttributes(t *testing.T) {
	log := eventsOf(t, slog.LevelDebug)
	for name, want := range map[string]struct {
		level slog.Level
		attrs []string
	}{
		agent.EventStarted:            {slog.LevelInfo, []string{"host", "version"}},
		agent.EventStopping:           {slog.LevelInfo, nil},
		agent.EventRegistryFailed:     {slog.LevelError, []string{"error"}},
		agent.EventRegistryRecovered:  {slog.LevelInfo, nil},
		agent.EventCollectorFailed:    {slog.LevelError, []string{"kind", "error"}},
		agent.EventCollectorRecovered: {slog.LevelInfo, []string{"kind"}},
		agent.EventPluginFailed:       {slog.LevelWarn, []string{"plugin", "result", "error", "stderr"}},
		agent.EventPluginRecovered:    {slog.LevelInfo, []string{"plugin"}},
		agent.EventPluginNotFetched:   {slog.LevelError, []string{"plugin", "repo", "error"}},
		agent.EventPluginEnabled:      {slog.LevelInfo, []string{"plugin"}},
		agent.EventMetricsInvalid:     {slog.LevelWarn, []string{"kind", "count", "error"}},
		agent.EventOutputDown:         {slog.LevelWarn, []string{"error"}},
		agent.EventOutputUp:           {slog.LevelInfo, []string{"waiting"}},
		agent.EventPointsRefused:      {slog.LevelError, []string{"namespace", "points", "reason", "error"}},
		agent.EventRegistryAsked:      {slog.LevelDebug, []string{"took", "namespaces", "plugins", "error"}},
		agent.EventPluginRan:          {slog.LevelDebug, []string{"plugin", "type", "result", "took", "metrics"}},
		agent.EventBatchDelivered:     {slog.LevelDebug, []string{"namespace", "points", "took"}},
		agent.EventPostTaken:          {slog.LevelDebug, []string{"namespace", "metrics", "took"}},
		agent.EventStoreUsed:          {slog.LevelDebug, []string{"points"}},
		agent.EventStoreEmptied:       {slog.LevelDebug, nil},
	} {
		attrs, level := log.event(name)
		require.NotNil(t, attrs, name)
		require.Equal(t, want.level, level, name)
		for _, key := range want.attrs {
			require.Contains(t, attrs, key, name)
		}
		require.Len(t, attrs, len(want.attrs), "%s has %v", name, attrs)
	}
}

func TestEventsOfDebugAreNotThereAtInfo(t *testing.T) {
	log := eventsOf(t, slog.LevelInfo)
	for _, name := range []string{
		agent.EventRegistryAsked, agent.EventPluginRan, agent.EventBatchDelivered, agent.EventPostTaken,
		agent.EventStoreUsed, agent.EventStoreEmptied,
	} {
		attrs, _ := log.event(name)
		require.Nil(t, attrs, name)
	}
	attrs, _ := log.event(agent.EventPluginFailed)
	require.NotNil(t, attrs)
}

func TestFullBufferIsAnEvent(t *testing.T) {
	log := newEventLog(slog.LevelInfo)
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(10 * time.Minute)
		attrs, level := log.event(agent.EventBufferFull)
		require.Equal(t, slog.LevelWarn, level)
		require.EqualValues(t, 2, attrs["limit"].Int64())
		w.output.Heal()
	}, agent.WithLogger(slog.New(log)), agent.WithBufferSize(2), every(10*time.Second, "m"))
}

func TestUnknownHostIsAnEvent(t *testing.T) {
	log := newEventLog(slog.LevelInfo)
	state := t.TempDir()
	inBubble(t, func(t *testing.T, w *world) { w.run(); w.pass(time.Second) }, agent.WithStateDir(state))
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Reporting.FailTimes(1, agent.ErrHostUnknown)
		w.run()
		attrs, level := log.event(agent.EventHostUnknown)
		require.Equal(t, slog.LevelWarn, level)
		require.Equal(t, "h1", attrs["old"].String())
		require.Equal(t, "h2", attrs["new"].String())
	}, agent.WithLogger(slog.New(log)), agent.WithStateDir(state), agent.WithHostname("h2"))
}

// quietLog fails the test if a line below INFO is made although it is off.
type quietLog struct {
	slog.Handler
	t *testing.T
}

func (l quietLog) Handle(ctx context.Context, r slog.Record) error {
	require.GreaterOrEqual(l.t, r.Level, slog.LevelInfo)
	return nil
}

func TestDebugThatIsOffCostsNothing(t *testing.T) {
	output := agent.OutputFunc(func(context.Context, agent.Batch) error { return nil })
	list := metrics(1)
	allocations := func(logger *slog.Logger) float64 {
		a, err := agent.New(agent.WithRegistry(agent.StaticRegistry("web")), agent.WithOutput(output), agent.WithLogger(logger))
		require.NoError(t, err)
		least := math.Inf(1) // other goroutines allocate, too
		for range 10 {
			least = min(least, testing.AllocsPerRun(200, func() { require.NoError(t, a.Send(t.Context(), "web", list)) }))
		}
		return least
	}
	off := allocations(slog.New(quietLog{slog.NewTextHandler(nil, nil), t}))
	// A record would take several. The goroutine of each write takes one more now and then.
	require.InDelta(t, allocations(slog.New(slog.DiscardHandler)), off, 1)
}
