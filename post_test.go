package agent_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestPostReturnsWhenTheOutputHasTakenThePoints(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Slow(2 * time.Second)
		began := time.Now()
		mine := []agent.Metric{{Name: "jobs", Value: 3, Tags: map[string]string{"queue": "a b"}}}
		require.NoError(t, w.Post(t.Context(), "elsewhere", mine))
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Equal(t, []point{{Namespace: "elsewhere", Metric: agent.Metric{
			Name: "RUN.jobs", Value: 3.0, Timestamp: began.Unix(), Tags: map[string]string{"queue": "a-b", "host": "h1"},
		}}}, w.output.Points())
		require.Equal(t, []agent.Metric{{Name: "jobs", Value: 3, Tags: map[string]string{"queue": "a b"}}}, mine,
			"the caller's metrics are not changed")
		require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, w.account("elsewhere"))
	})
}

func TestPostTakesAllMetricsOrNone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		list := metrics(5)
		list[2].Value = math.NaN()
		list[3].Name = "a b"
		err := w.Post(t.Context(), "web", list)
		var bad *agent.MetricError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, 2, bad.Index, "the first bad one")
		require.Empty(t, w.output.Attempts())
		require.Zero(t, w.account("web"))

		var input *agent.InputError
		for _, namespace := range []string{"", "../../etc/passwd", "a b", strings.Repeat("n", 65)} {
			require.ErrorAs(t, w.Post(t.Context(), namespace, metrics(1)), &input, namespace)
		}
		require.NoError(t, w.Post(t.Context(), "web", nil))
		require.Empty(t, w.output.Attempts())
	})
}

func TestSendLeavesNamesAsTheyAre(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		mine := []agent.Metric{{Name: "shop.orders", Value: 3}}
		require.NoError(t, w.Send(t.Context(), "web", mine))
		require.Equal(t, "shop.orders", w.output.Points()[0].Name)
		require.Equal(t, []agent.Metric{{Name: "shop.orders", Value: 3}}, mine)
		w.output.FailTimes(1, errAway)
		require.ErrorIs(t, w.Send(t.Context(), "web", mine), errAway)
	})
}

func TestNamespacesThatMakeNoTopicAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		for _, namespace := range []string{"", "../../etc/passwd", "a b", "a/b", "ä", strings.Repeat("n", 65)} {
			for _, send := range []func(context.Context, string, []agent.Metric) error{w.Post, w.Send} {
				var input *agent.InputError
				require.ErrorAs(t, send(t.Context(), namespace, metrics(1)), &input, "%q", namespace)
				require.ErrorAs(t, send(t.Context(), namespace, nil), &input, "%q", namespace)
			}
		}
		require.Empty(t, w.output.Attempts())
	})
}

func TestPostTellsThatTheOutputFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.FailTimes(1, errAway)
		require.ErrorIs(t, w.Post(t.Context(), "web", metrics(1)), errAway)
		require.Len(t, w.output.Attempts(), 1, "it is the caller who tries again")
		require.Zero(t, w.account("web"))
		require.NoError(t, w.Post(t.Context(), "web", metrics(1)))
	})
}

func TestPostIsNotWrittenWhenItsContextEndsBeforeItsTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Slow(5 * time.Second)
		first := make(chan error)
		go func() { first <- w.Post(t.Context(), "web", metrics(1)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, w.Post(ctx, "web", metrics(10)), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		require.NoError(t, <-first)
		synctest.Wait()
		require.Equal(t, 1, len(w.output.Points()))
	})
}

func TestPostIsBoundedWhereTheOutputHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Hang()
		began := time.Now()
		require.Error(t, w.Post(t.Context(), "web", metrics(1)))
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
	})
}

func TestConcurrentPostsShareWrites(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Slow(10 * time.Millisecond)
		began := time.Now()
		postConcurrently(w, 100, func(i int) []agent.Metric { return metrics(1) })
		require.Equal(t, 20*time.Millisecond, time.Since(began), "the first write, and one for all the others")
		require.Len(t, w.output.Batches(), 2)
		require.Equal(t, agent.Account{Accepted: 100, Delivered: 100}, w.account("web"))
	})
}

func TestBadPostFailsNoOtherOfTheSameWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Slow(10 * time.Millisecond)
		w.output.Answer(func(_ context.Context, b agent.Batch) error {
			for _, m := range b.Metrics {
				if m.Name == "RUN.bad" {
					return agent.Permanent(errors.New("bad"))
				}
			}
			return nil
		})
		errs := postConcurrently(w, 10, func(i int) []agent.Metric {
			if i == 7 {
				return []agent.Metric{{Name: "bad", Value: 1}}
			}
			return []agent.Metric{{Name: fmt.Sprintf("good%d", i), Value: 1}}
		})
		for i, err := range errs {
			require.Equal(t, i == 7, err != nil, "post %d: %v", i, err)
		}
		require.Len(t, w.output.Points(), 9)
	})
}

// postConcurrently posts n times and returns the error of each.
func postConcurrently(w *world, n int, list func(i int) []agent.Metric) []error {
	errs := make([]error, n)
	var posts sync.WaitGroup
	for i := range n {
		posts.Go(func() { errs[i] = w.Post(w.t.Context(), "web", list(i)) })
		if i == 0 {
			synctest.Wait() // the first has begun to write
		}
	}
	posts.Wait()
	return errs
}
