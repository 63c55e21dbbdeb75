package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// point keeps the tests short.
type point = agenttest.Point

var errAway = errors.New("away")

// world is an agent among fakes, in a bubble in which hours take no time. Its
// registry assigns the namespace web and nothing else to begin with.
type world struct {
	*agent.Agent
	t        *testing.T
	registry *agenttest.Registry
	output   *agenttest.Output
	runner   *agenttest.PluginRunner
	log      *logLines

	cancel context.CancelFunc // nil before run
	ended  chan error
}

// inBubble runs f with an agent that does not run yet. The bubble ends only
// when no goroutine of the agent is left. options come after the world's own.
func inBubble(t *testing.T, f func(t *testing.T, w *world), options ...agent.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, options...)
		f(t, w)
		w.stop()
	})
}

func newWorld(t *testing.T, options ...agent.Option) *world {
	w := &world{
		t:        t,
		registry: agenttest.NewRegistry(agent.Assignment{Namespace: "web", ID: "id-web"}),
		output:   agenttest.NewOutput(),
		runner:   agenttest.NewPluginRunner(),
		log:      new(logLines),
	}
	own := []agent.Option{agent.WithHostname("h1"), agent.WithLogger(slog.New(slog.NewTextHandler(w.log, nil)))}
	others, _ := agent.SplitOptions(options...)
	if others.Registry == nil {
		own = append(own, agent.WithRegistry(w.registry))
	}
	if others.Output == nil {
		own = append(own, agent.WithOutput(w.output))
	}
	if others.PluginRunner == nil {
		own = append(own, agent.WithPluginRunner(w.runner))
	}
	a, err := agent.New(append(own, options...)...)
	require.NoError(t, err)
	w.Agent = a
	t.Cleanup(func() {
		if w.cancel != nil { // the test has failed: leave no goroutine, which would be all that is reported
			w.registry.Heal()
			w.output.Heal()
			w.runner.Heal()
			_ = w.stopDirty()
			time.Sleep(time.Hour) // what does not heed its context ends by itself
		}
		require.Empty(t, w.registry.Violations())
		require.Empty(t, w.output.Violations())
		require.Empty(t, w.runner.Violations())
	})
	return w
}

// run starts the agent and returns when its first assignments are in force, or
// the registry has no answer.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.Run(ctx) }()
	synctest.Wait()
}

// stop ends the agent, if it runs, and requires a clean end.
func (w *world) stop() {
	w.t.Helper()
	if w.cancel != nil {
		require.NoError(w.t, w.stopDirty())
	}
}

// stopDirty ends the agent and returns the error of Run.
func (w *world) stopDirty() error {
	w.cancel()
	w.cancel = nil
	return <-w.ended
}

// pass lets time pass, and waits until the agent has done everything that is due.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// account returns the balance of a namespace after checking it.
func (w *world) account(namespace string) agent.Account {
	w.t.Helper()
	account := w.Status().Accounts[namespace]
	dropped := int64(0)
	for _, points := range account.Dropped {
		dropped += points
	}
	require.Equal(w.t, account.Accepted, account.Delivered+account.Waiting+dropped, "%+v", account)
	return account
}

// every returns an option with a collector that returns one metric of the
// given name at each interval.
func every(interval time.Duration, name string) agent.Option {
	return agent.WithCollector(name, interval, one(name))
}

// one returns a collector of one metric.
func one(name string) agent.CollectorFunc {
	return func(context.Context) ([]agent.Metric, error) { return []agent.Metric{{Name: name, Value: 1}}, nil }
}

// metrics returns n metrics.
func metrics(n int) []agent.Metric {
	list := make([]agent.Metric, n)
	for i := range list {
		list[i] = agent.Metric{Name: "m", Value: i}
	}
	return list
}

// logLines keeps the lines of a log.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// count returns how many lines have the text.
func (l *logLines) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
