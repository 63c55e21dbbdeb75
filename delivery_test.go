package agent_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestPointsWaitUntilTheOutputTakesThem(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(time.Minute)
		waiting := w.account("web").Waiting
		require.Positive(t, waiting)
		require.Equal(t, "away", w.Status().Output.Error)

		w.output.Heal()
		w.output.WaitFor(t, int(waiting))
		w.pass(6 * time.Second)
		require.Zero(t, w.account("web").Waiting)
		require.Empty(t, w.Status().Output.Error)
		require.Empty(t, w.account("web").Dropped)
	}, every(10*time.Second, "m"))
}

func TestAttemptsAtAFailingOutputBecomeRare(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(time.Second)
		require.GreaterOrEqual(t, len(w.output.Attempts()), 3, "soon again at first")
		w.output.Forget()
		w.pass(time.Minute)
		attempts := len(w.output.Attempts())
		require.GreaterOrEqual(t, attempts, 60/5, "at least every 5 s")
		require.LessOrEqual(t, attempts, 60*2/5, "at most every 2.5 s")
		w.output.Heal()
	}, every(time.Hour, "m"))
}

func TestFullBufferDropsTheOldestAndCountsThem(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(10 * time.Minute)
		account := w.account("web")
		require.LessOrEqual(t, account.Waiting, int64(20))
		require.Equal(t, account.Accepted-account.Waiting, account.Dropped["buffer_full"])

		newest := time.Now().Unix()
		w.output.Heal()
		w.pass(6 * time.Second)
		require.Zero(t, w.account("web").Waiting)
		points := w.output.Points()
		require.True(t, slices.ContainsFunc(points, func(p point) bool { return p.Timestamp > newest-10 }), "the newest points were kept")
	}, every(time.Second, "m"), agent.WithBufferSize(20))
}

func TestBatchLargerThanTheBufferIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.WaitFor(t, 50)
	}, agent.WithBufferSize(10), agent.WithCollector("X", time.Hour, agent.CollectorFunc(
		func(context.Context) ([]agent.Metric, error) { return metrics(50), nil })))
}

func TestRefusedPointsAreDroppedWithTheirReason(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		reason string
	}{
		"named":   {&agent.PermanentError{Reason: "bad_topic", Err: errors.New("no topic")}, "bad_topic"},
		"unnamed": {&agent.PermanentError{Err: errors.New("no")}, "refused"},
		"wrapped": {errors.Join(errors.New("publish"), agent.Permanent(errors.New("no"))), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.output.Fail(test.err)
				w.run()
				w.pass(2 * time.Second)
				require.Equal(t, map[string]int64{test.reason: 1}, w.account("web").Dropped)
				require.Len(t, w.output.Attempts(), 1, "no second attempt")
				require.Empty(t, w.Status().Output.Error, "the output works")
			}, every(time.Hour, "m"))
		})
	}
}

func TestRefusalOfBatchesWrittenTogetherCostsOnlyTheBadOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.output.Answer(func(_ context.Context, b agent.Batch) error {
			if slices.ContainsFunc(b.Metrics, func(m agent.Metric) bool { return m.Name == "bad" }) {
				return agent.Permanent(errors.New("bad"))
			}
			return nil
		})
		w.run()
		w.pass(15 * time.Second)
		w.output.Fail(nil)
		w.pass(6 * time.Second)
		account := w.account("web")
		require.Zero(t, account.Waiting)
		require.Positive(t, account.Dropped["refused"])
		require.Len(t, w.output.Named("good"), int(account.Accepted-account.Dropped["refused"]))
	}, every(time.Second, "good"), every(5*time.Second, "bad"))
}

func TestHungOutputDoesNotHoldUpOtherNamespaces(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(agent.Assignment{Namespace: "web"}, agent.Assignment{Namespace: "db"})
		w.output.Answer(func(ctx context.Context, b agent.Batch) error {
			if b.Namespace == "web" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		w.run()
		w.pass(time.Minute)
		for _, p := range w.output.Points() {
			require.Equal(t, "db", p.Namespace)
		}
		require.InDelta(t, 6, len(w.output.Points()), 1) // at once and every 10 s
		w.output.Answer(nil)
	}, every(10*time.Second, "m"))
}

func TestPanickingOutputIsAFailingOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Panic("ouch")
		w.run()
		w.pass(time.Second)
		require.Equal(t, "panic: ouch", w.Status().Output.Error)
		w.output.Heal()
		w.output.WaitFor(t, 1)
	}, every(time.Hour, "m"))
}

func TestOnlyTheRefusedPointsOfABatchAreDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(&agent.PermanentError{Reason: "too_large", Points: 1, Err: errors.New("too large")})
		w.run()
		w.pass(time.Second)
		require.Equal(t, agent.Account{Accepted: 3, Delivered: 2, Dropped: map[string]int64{"too_large": 1}}, w.account("web"))

		var partly *agent.PartlyRefusedError
		require.ErrorAs(t, w.Post(t.Context(), "web", metrics(3)), &partly)
		require.Equal(t, 1, partly.Points)
		require.Equal(t, agent.Account{Accepted: 6, Delivered: 4, Dropped: map[string]int64{"too_large": 2}}, w.account("web"))
	}, agent.WithCollector("X", time.Hour, agent.CollectorFunc(
		func(context.Context) ([]agent.Metric, error) { return metrics(3), nil })))
}

func TestARefusedNamespaceIsSaidOnceAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(&agent.PermanentError{Reason: "bad_topic", Err: errors.New("no topic")})
		w.run()
		w.pass(90 * time.Minute)
		require.Equal(t, 2, w.log.count("the output refused points"))
	}, every(10*time.Second, "m"))
}
