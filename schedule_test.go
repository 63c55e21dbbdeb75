package agent_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// assignInterval assigns the kind m in web at an interval.
func assignInterval(w *world, interval time.Duration) {
	w.registry.Assign(agent.Assignment{Namespace: "web", Intervals: map[string]time.Duration{"m": interval}})
}

// starts returns when the points of a measurement were taken, as time since
// began.
func starts(points []point, began time.Time) []time.Duration {
	var list []time.Duration
	for _, p := range points {
		list = append(list, time.Duration(p.Timestamp-began.Unix())*time.Second)
	}
	return list
}

// Hosts have different phases: some would start again right after the first
// run.
func TestCollectorRunsAtOnceAndThenAtEveryInterval(t *testing.T) {
	for _, host := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		t.Run(host, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				began := time.Now()
				w.run()
				w.pass(90 * time.Second)
				times := starts(w.output.Points(), began)
				require.Equal(t, time.Duration(0), times[0])
				require.GreaterOrEqual(t, times[1], 5*time.Second, "not right after the first")
				require.LessOrEqual(t, times[1], 15*time.Second)
				for i := 2; i < 9; i++ {
					require.Equal(t, 10*time.Second, times[i]-times[i-1])
				}
			}, every(10*time.Second, "m"), agent.WithHostname(host))
		})
	}
}

func TestHostsCollectAtDifferentMoments(t *testing.T) {
	moments := make(map[int64]bool)
	for _, host := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		inBubble(t, func(t *testing.T, w *world) {
			w.run()
			w.pass(2 * time.Minute)
			moments[w.output.Points()[1].Timestamp%60] = true
		}, every(time.Minute, "m"), agent.WithHostname(host))
	}
	require.Greater(t, len(moments), 4, "%v", moments)
}

func TestSmallestAssignedIntervalCounts(t *testing.T) {
	for name, test := range map[string]struct {
		every    time.Duration // of the collector
		assigned []time.Duration
		want     int // points in an hour, of all namespaces
	}{
		"the collector's own":       {time.Minute, []time.Duration{0}, 60},
		"the assigned one":          {time.Minute, []time.Duration{10 * time.Minute}, 6},
		"the smallest of several":   {time.Minute, []time.Duration{time.Hour, 0, 10 * time.Minute}, 3 * 6},
		"none":                      {0, []time.Duration{0}, 0},
		"only the assigned one":     {0, []time.Duration{time.Minute}, 60},
		"nonsense is not believed":  {time.Minute, []time.Duration{-time.Second}, 60},
		"no namespace, no interval": {time.Minute, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var assignments []agent.Assignment
				for i, interval := range test.assigned {
					assignments = append(assignments, agent.Assignment{
						Namespace: string(rune('a' + i)), Intervals: map[string]time.Duration{"m": interval},
					})
				}
				w.registry.Assign(assignments...)
				w.run()
				w.pass(time.Hour) // the regular starts have begun
				w.output.Forget()
				w.pass(time.Hour)
				require.Equal(t, test.want, len(w.output.Points()))
			}, every(test.every, "m"))
		})
	}
}

func TestNewIntervalTakesEffectWithoutOverlap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		assignInterval(w, time.Second)
		require.NoError(t, w.Update(t.Context()))
		w.output.Forget()
		w.pass(time.Minute)
		require.InDelta(t, 60, len(w.output.Points()), 1)
		assignInterval(w, time.Hour)
		require.NoError(t, w.Update(t.Context()))
		w.output.Forget()
		w.pass(time.Hour)
		require.Len(t, w.output.Points(), 1)
	}, every(10*time.Second, "m"))
}

func TestUnchangedAnswerDisturbsNoSchedule(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(time.Minute)
		w.output.Forget()
		for range 60 {
			w.pass(time.Second)
			require.NoError(t, w.Update(t.Context()))
		}
		require.Len(t, w.output.Points(), 6)
	}, every(10*time.Second, "m"))
}

// slowCollector notes overlapping runs.
type slowCollector struct {
	takes   time.Duration
	heeds   bool // the context
	running atomic.Int32
	runs    atomic.Int32
	overlap atomic.Bool
}

func (c *slowCollector) Collect(ctx context.Context) ([]agent.Metric, error) {
	if c.running.Add(1) > 1 {
		c.overlap.Store(true)
	}
	defer c.running.Add(-1)
	c.runs.Add(1)
	var ended <-chan struct{}
	if c.heeds {
		ended = ctx.Done()
	}
	select {
	case <-time.After(c.takes):
		return metrics(1), nil
	case <-ended:
		return nil, ctx.Err()
	}
}

func TestSlowCollectorNeverOverlapsItself(t *testing.T) {
	slow := &slowCollector{takes: 25 * time.Second}
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(10 * time.Minute)
		require.False(t, slow.overlap.Load())
		require.InDelta(t, 10*60/30, slow.runs.Load(), 2, "starts that a run covers fall out")
		require.Len(t, w.output.Named("fast"), 61, "others run as ever")
		w.pass(slow.takes) // so that the end is clean
	}, agent.WithCollector("slow", 10*time.Second, slow), every(10*time.Second, "fast"), agent.WithShutdownTimeout(time.Minute))
}

func TestCollectorDoesNotOverlapItselfWhenItsNamespaceGoesAndComesBack(t *testing.T) {
	slow := &slowCollector{takes: 2 * time.Minute}
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.registry.Assign()
		require.Error(t, w.Update(t.Context()))
		w.pass(time.Minute)
		require.NoError(t, w.Update(t.Context()))
		require.Empty(t, w.Namespaces())
		w.registry.Assign(assign("web")...)
		require.NoError(t, w.Update(t.Context()))
		w.pass(time.Hour)
		require.False(t, slow.overlap.Load())
		require.Greater(t, slow.runs.Load(), int32(2), "it runs again")
	}, agent.WithCollector("slow", 10*time.Second, slow), agent.WithShutdownTimeout(10*time.Minute))
}

func TestCollectorsContextEndsBeforeTheNextStart(t *testing.T) {
	runs := 0
	hanging := agent.CollectorFunc(func(ctx context.Context) ([]agent.Metric, error) {
		runs++
		<-ctx.Done()
		time.Sleep(time.Millisecond) // what it takes to return
		return nil, ctx.Err()
	})
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(10 * time.Minute)
		require.InDelta(t, 60, runs, 1, "no start falls out")
		status := w.Status().Collectors[0]
		require.Equal(t, context.DeadlineExceeded.Error(), status.Error)
		require.Positive(t, status.Failures)
	}, agent.WithCollector("hanging", 10*time.Second, hanging))
}

func TestFailingCollectorCostsOnlyItsOwnPoints(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(time.Minute)
		require.Len(t, w.output.Named("good"), 7)
		require.Len(t, w.output.Named("half"), 7, "what is returned beside an error is sent")
		require.Len(t, w.output.Points(), 14)
		for _, status := range w.Status().Collectors {
			switch status.Kind {
			case "panics":
				require.Equal(t, "panic: ouch", status.Error)
			case "fails":
				require.Equal(t, "away", status.Error)
				require.EqualValues(t, 7, status.Failures)
				require.Equal(t, 1, status.Points)
			case "good":
				require.Empty(t, status.Error)
			}
			require.EqualValues(t, 7, status.Runs)
		}
	},
		every(10*time.Second, "good"),
		agent.WithCollector("panics", 10*time.Second, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			panic("ouch")
		})),
		agent.WithCollector("fails", 10*time.Second, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "half", Value: 1}}, errAway
		})))
}

func TestMetricsThatCannotBeSentAreLeftOutAndCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(2 * time.Second)
		require.Len(t, w.output.Points(), 1)
		require.EqualValues(t, 2, w.Status().Collectors[0].Invalid)
		require.EqualValues(t, 1, w.account("web").Accepted)
	}, agent.WithCollector("X", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		return []agent.Metric{{Name: "nan", Value: math.NaN()}, {Name: "good", Value: 1}, {Name: "b a d", Value: 1}}, nil
	})))
}

// assigned is a collector of what is assigned.
type assigned func(assignments []agent.Assignment) []agent.Batch

func (c assigned) CollectAssigned(_ context.Context, assignments []agent.Assignment) ([]agent.Batch, error) {
	return c(assignments), nil
}

// perNamespace returns a point for each namespace.
func perNamespace(assignments []agent.Assignment) (batches []agent.Batch) {
	for _, a := range assignments {
		batches = append(batches, agent.Batch{Namespace: a.Namespace, Metrics: []agent.Metric{{Name: "of." + a.Namespace, Value: len(a.Ports)}}})
	}
	return batches
}

func TestAssignmentCollectorSeesAllNamespacesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(agent.Assignment{Namespace: "web", Ports: []agent.Port{{Name: "PORT.x", Port: 1}}}, agent.Assignment{Namespace: "db"})
		w.run()
		for _, p := range w.output.WaitFor(t, 2) {
			require.Equal(t, "of."+p.Namespace, p.Name)
			require.Equal(t, p.Namespace == "web", p.Value == 1.0)
		}
		require.Empty(t, w.Status().Collectors[0].Error)
	}, agent.WithAssignmentCollector("PORT", time.Minute, assigned(perNamespace)))
}

func TestStatusNamesCollectorsThatHaveNotRunYet(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.Equal(t, "m", w.Status().Collectors[0].Kind)
	}, every(time.Second, "m"))
}

func TestWhatIsCollectedForANamespaceGoesThereOnly(t *testing.T) {
	for wrong, problem := range map[string]string{
		"":                 "the namespace is empty",
		"../../etc/passwd": "contains '/'",
	} {
		collect := assigned(func(assignments []agent.Assignment) []agent.Batch {
			return []agent.Batch{{Namespace: assignments[0].Namespace, Metrics: metrics(1)}, {Namespace: wrong, Metrics: metrics(1)}}
		})
		inBubble(t, func(t *testing.T, w *world) {
			w.registry.Assign(agent.Assignment{Namespace: "db"}, agent.Assignment{Namespace: "web"})
			w.run()
			w.pass(time.Second)
			require.Len(t, w.output.Points(), 1)
			require.Equal(t, "db", w.output.Points()[0].Namespace)
			require.Contains(t, w.Status().Collectors[0].Error, problem)
		}, agent.WithAssignmentCollector("X", time.Hour, collect))
	}
}

func TestBatchesOfACollectorMayShareMetrics(t *testing.T) {
	shared := func(assignments []agent.Assignment) (batches []agent.Batch) {
		metrics := []agent.Metric{{Name: "b a d", Value: 1}, {Name: "a", Value: 1}, {Name: "b", Value: 1}}
		for _, a := range assignments {
			batches = append(batches, agent.Batch{Namespace: a.Namespace, Metrics: metrics})
		}
		return batches
	}
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(agent.Assignment{Namespace: "db"}, agent.Assignment{Namespace: "web"})
		w.run()
		w.pass(time.Second)
		var got []string
		for _, p := range w.output.Points() {
			got = append(got, p.Namespace+" "+p.Name)
		}
		require.ElementsMatch(t, []string{"db a", "db b", "web a", "web b"}, got)
	}, agent.WithAssignmentCollector("X", time.Hour, assigned(shared)))
}
