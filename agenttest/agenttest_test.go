package agenttest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("away")

func TestFakeRegistryKeepsTheContract(t *testing.T) {
	agenttest.TestRegistry(t, func(t *testing.T) agenttest.RegistrySubject {
		want := []agent.Assignment{
			{
				Namespace: "web", ID: "1", Intervals: map[string]time.Duration{"CPU": 10 * time.Second},
				Plugins: []agent.Plugin{{Namespace: "web", Name: "PLUGIN.a", Repo: "org/a", Interval: time.Minute, Args: []string{"-x"}}},
			},
			{Namespace: "db", ID: "2", Ports: []agent.Port{{Name: "PORT.sshd.22", Port: 22}}},
		}
		r := agenttest.NewRegistry(want...)
		return agenttest.RegistrySubject{
			Registry: r, Host: agent.Host{Hostname: "h"}, Want: want,
			Break: func() { r.Fail(errAway); r.Reporting.Fail(errAway) },
			Hang:  func() { r.Hang(); r.Reporting.Hang() },
			Mend: func() {
				r.Heal()
				r.Reporting.Heal()
				for _, a := range want {
					r.FailNamespace(a.Namespace, nil)
				}
			},
			BreakNamespace: func(ns string) { r.FailNamespace(ns, errAway) },
		}
	})
}

func TestFakeOutputKeepsTheContract(t *testing.T) {
	agenttest.TestOutput(t, func(t *testing.T) agenttest.OutputSubject {
		o := agenttest.NewOutput()
		t.Cleanup(func() { require.Empty(t, o.Violations()) })
		return agenttest.OutputSubject{
			Output:   o,
			Received: func(testing.TB) []agenttest.Point { return o.Points() },
			Break:    func() { o.Fail(errAway) },
			Hang:     o.Hang,
			Mend:     o.Heal,
		}
	})
}

func TestFakePluginRunnerKeepsTheContract(t *testing.T) {
	agenttest.TestPluginRunner(t, func(t *testing.T) agenttest.PluginRunnerSubject {
		r := agenttest.NewPluginRunner()
		t.Cleanup(func() { require.Empty(t, r.Violations()) })
		return agenttest.PluginRunnerSubject{
			Runner:    r,
			Publish:   func(_ testing.TB, repo string, program agenttest.Program) { r.Publish(repo, program) },
			Unpublish: func(_ testing.TB, repo string) { r.Unpublish(repo) },
			PublishVersion: func(_ testing.TB, repo, version string, program agenttest.Program) {
				r.PublishVersion(repo, version, program)
			},
		}
	})
}

func TestFakeStoreKeepsTheContract(t *testing.T) {
	disk := make(map[string]*agenttest.Store)
	agenttest.TestStore(t, func(t *testing.T, dir string) agent.Store {
		s := agenttest.NewStore()
		if before := disk[dir]; before != nil {
			s = before.Reopen()
		}
		disk[dir] = s
		t.Cleanup(func() { require.Empty(t, s.Violations()) })
		return s
	})
}

func TestFakeStoreDropsTheOldestThatNobodyHasTaken(t *testing.T) {
	s := agenttest.NewStore()
	s.Limit(2)
	batch := func(name string) []agent.Batch {
		return []agent.Batch{{Namespace: "ns", Metrics: []agent.Metric{{Name: name, Value: 1.0}}}}
	}
	require.NoError(t, s.Put(t.Context(), batch("first")))
	_, err := s.Next(t.Context())
	require.NoError(t, err)
	for _, name := range []string{"second", "third"} {
		require.NoError(t, s.Put(t.Context(), batch(name)))
	}
	require.Equal(t, []agent.Loss{{Namespace: "ns", Reason: "spool_full", Points: 1}}, s.Losses())
	require.Empty(t, s.Losses(), "each is told once")
	require.NoError(t, s.Done(t.Context(), nil))
	require.Error(t, s.Done(t.Context(), nil))
	require.Equal(t, batch("third"), s.Batches())
	require.Equal(t, []string{"Done was called without a Next before it"}, s.Violations())
}

func TestFakeCollectorKeepsTheContract(t *testing.T) {
	agenttest.TestCollector(t, func(t *testing.T) agenttest.CollectorSubject {
		c := agenttest.NewCollector(agent.Metric{Name: "m", Value: 1, Tags: map[string]string{"a": "b"}})
		t.Cleanup(func() { require.Empty(t, c.Violations()) })
		return agenttest.CollectorSubject{Collector: c, Hang: c.Hang, Mend: c.Heal}
	})
}

// byPort measures each assigned port.
type byPort struct{}

func (byPort) CollectAssigned(_ context.Context, assignments []agent.Assignment) (batches []agent.Batch, err error) {
	for _, a := range assignments {
		b := agent.Batch{Namespace: a.Namespace}
		for _, p := range a.Ports {
			b.Metrics = append(b.Metrics, agent.Metric{Name: p.Name, Value: 1})
		}
		batches = append(batches, b)
	}
	return batches, nil
}

func TestSuiteOfCollectorsTakesThoseOfAssignments(t *testing.T) {
	agenttest.TestCollector(t, func(*testing.T) agenttest.CollectorSubject {
		return agenttest.CollectorSubject{
			Assigned:    byPort{},
			Assignments: []agent.Assignment{{Namespace: "web", Ports: []agent.Port{{Name: "PORT.http", Port: 80}}}},
		}
	})
}

// file is a writer that can be broken.
type file struct {
	mu      sync.Mutex
	content bytes.Buffer
	broken  bool
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return 0, io.ErrShortWrite
	}
	return f.content.Write(p)
}

func (f *file) setBroken(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

func TestWriterOutputKeepsTheContract(t *testing.T) {
	agenttest.TestOutput(t, func(t *testing.T) agenttest.OutputSubject {
		f := new(file)
		namespaces := &byNamespace{Output: agent.NewWriterOutput(f)}
		return agenttest.OutputSubject{
			Output:   namespaces,
			Received: namespaces.received(f),
			Break:    func() { f.setBroken(true) },
			Mend:     func() { f.setBroken(false) },
		}
	})
}

// byNamespace records which namespaces were written to: line protocol does not
// contain them.
type byNamespace struct {
	agent.Output
	mu    sync.Mutex
	names map[string]bool
}

func (b *byNamespace) Write(ctx context.Context, batch agent.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names == nil {
		b.names = make(map[string]bool)
	}
	b.names[batch.Namespace] = true
	return b.Output.Write(ctx, batch)
}

func (b *byNamespace) received(f *file) func(testing.TB) []agenttest.Point {
	return func(tb testing.TB) (points []agenttest.Point) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for name := range b.names {
			of, err := agenttest.DecodeLines(name, f.content.Bytes())
			require.NoError(tb, err)
			points = append(points, of...)
		}
		return points
	}
}

func TestKnobsMakeCallsMisbehaveUntilTheyAreHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := agenttest.NewOutput()
		b := agent.Batch{Namespace: "ns", Metrics: []agent.Metric{{
			Name: "m", Value: 1.0, Tags: map[string]string{"host": "h"}, Timestamp: time.Now().Unix()}}}
		write := func() (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			err := o.Write(ctx, b)
			return time.Since(began), err
		}

		o.FailTimes(2, errAway)
		for _, want := range []error{errAway, errAway, nil} {
			_, err := write()
			require.ErrorIs(t, err, want)
		}
		o.Slow(time.Second)
		took, err := write()
		require.NoError(t, err)
		require.Equal(t, time.Second, took)

		o.Hang()
		took, err = write()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, took)

		o.HangForever()
		go func() { time.Sleep(time.Hour); o.Heal() }()
		took, _ = write()
		require.Equal(t, time.Hour, took)

		o.Panic("ouch")
		require.PanicsWithValue(t, "ouch", func() { _, _ = write() })
		o.Heal()
		_, err = write()
		require.NoError(t, err)
		require.Len(t, o.WaitForNamed(t, "m", 3), 3)
		require.Len(t, o.Attempts(), 8)
		require.Empty(t, o.Violations())
	})
}

func TestFakesNoticeWhatTheirInterfacesRuleOut(t *testing.T) {
	o := agenttest.NewOutput()
	require.NoError(t, o.Write(t.Context(), agent.Batch{Namespace: "ns"}))
	require.NoError(t, o.Write(t.Context(), agent.Batch{Namespace: "ns", Metrics: []agent.Metric{{Name: "a b", Value: 1}}}))
	require.NoError(t, o.Close(t.Context()))
	require.NoError(t, o.Write(t.Context(), agent.Batch{Namespace: "ns"}))
	require.Subset(t, o.Violations(), []string{
		"a batch for ns is empty",
		"metric a b has a value of type int",
		"metric a b has no host tag",
		"metric a b has the timestamp 0, which is not in seconds",
		"Write was called after Close",
	})
}

func TestFakePluginRunnerNoticesTwoRunsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := agenttest.NewPluginRunner()
		r.Publish("org/slow", agenttest.Program{Takes: time.Second})
		p := agent.Plugin{Namespace: "ns", Repo: "org/slow"}
		require.NoError(t, r.Install(t.Context(), p))
		for range 2 {
			go func() { _, _ = r.Run(t.Context(), p, nil) }()
		}
		require.Len(t, r.WaitFor(t, 2), 2)
		require.Equal(t, []string{"two calls of Run at a time for plugin ns/slow"}, r.Violations())
	})
}
