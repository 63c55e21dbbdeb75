package agent_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// requireStopWithin ends the agent and returns the error of Run, which must come soon enough.
func (w *world) requireStopWithin(limit time.Duration) error {
	w.t.Helper()
	began := time.Now()
	err := w.stopDirty()
	require.LessOrEqual(w.t, time.Since(began), limit)
	return err
}

func TestStopDeliversWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(time.Minute)
		waiting := int(w.account("web").Waiting)
		time.AfterFunc(2*time.Second, w.output.Heal)
		require.NoError(t, w.requireStopWithin(8*time.Second))
		require.Equal(t, waiting, len(w.output.Points()))
		require.True(t, w.output.Closed())
		require.Zero(t, w.account("web").Waiting)
	}, every(10*time.Second, "m"))
}

func TestStopCountsWhatCouldNotBeDelivered(t *testing.T) {
	for name, fault := range map[string]func(*agenttest.Output){
		"failing": func(o *agenttest.Output) { o.Fail(errAway) },
		"hanging": func(o *agenttest.Output) { o.Hang() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				fault(w.output)
				w.run()
				w.pass(time.Minute)
				waiting := w.account("web").Waiting
				err := w.requireStopWithin(9 * time.Second)
				require.ErrorContains(t, err, fmt.Sprintf("%d points", waiting))
				account := w.account("web")
				require.Zero(t, account.Waiting)
				require.Equal(t, map[string]int64{"shutdown": waiting}, account.Dropped)
				require.True(t, w.output.Closed())
			}, every(10*time.Second, "m"))
		})
	}
}

func TestStopOfAnIdleAgentTakesNoTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.pass(time.Minute)
		require.NoError(t, w.requireStopWithin(0))
	}, every(10*time.Second, "m"))
}

func TestStopAtAnyMomentOfTheStart(t *testing.T) {
	for _, after := range []time.Duration{0, 1, time.Millisecond, time.Second, 1500 * time.Millisecond, 10 * time.Second} {
		inBubble(t, func(t *testing.T, w *world) {
			w.registry.Slow(time.Millisecond)
			assignPlugins(w, plugin("mysql", 10*time.Second), plugin("redis", 10*time.Second))
			w.runner.Publish("org/mysql", agenttest.Program{Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			require.NoError(t, w.Run(ctx))
			require.True(t, w.output.Closed())
		}, every(time.Second, "m"), agent.WithStateDir(t.TempDir()))
	}
}

func TestStopEndsWhatRuns(t *testing.T) {
	collector := &slowCollector{takes: time.Hour, heeds: true}
	inBubble(t, func(t *testing.T, w *world) {
		assignPlugins(w, plugin("mysql", time.Minute), plugin("late", time.Minute))
		w.runner.Publish("org/mysql", agenttest.Program{Hang: true})
		w.run()
		for !w.Plugins()[1].Running {
			w.pass(time.Second)
		}
		w.registry.Hang()
		called := make(chan error, 2)
		go func() { called <- w.Update(t.Context()) }()
		w.runner.Updating.Hang()
		go func() { called <- w.UpdatePlugin(t.Context(), "web", "org/late") }()
		synctest.Wait()
		require.NoError(t, w.requireStopWithin(0))
		require.Error(t, <-called)
		require.Error(t, <-called)
		require.Empty(t, w.Status().Collectors[0].Error, "it was ended, that is not a failure")
	}, agent.WithCollector("X", time.Minute, collector))
}

func TestStopDoesNotWaitForeverForWhatDoesNotHeedItsContext(t *testing.T) {
	collector := &slowCollector{takes: time.Hour}
	for name, test := range map[string]struct {
		fault  func(w *world)
		option agent.Option
		want   string
	}{
		"collector": {func(*world) {}, agent.WithCollector("X", time.Hour, collector), "a collector or plugin did not return"},
		"registry": {func(w *world) {
			w.registry.HangForever()
			go func() { _ = w.Update(w.t.Context()) }()
		}, nil, "the registry did not return"},
		"output": {func(w *world) {
			w.output.HangForever()
			time.Sleep(time.Minute)
		}, every(10*time.Second, "m"), "the output has not returned from a write"},
		"post": {func(w *world) {
			w.output.HangForever()
			go func() { _ = w.Post(w.t.Context(), "web", metrics(1)) }()
		}, nil, "the output has not returned from a write to namespace web that began at"},
		"install": {func(w *world) {
			assignPlugins(w, plugin("mysql", time.Minute))
			w.runner.Installing.HangForever()
			_ = w.Update(w.t.Context())
		}, nil, "install, removal or call, did not end"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := []agent.Option{}
				if test.option != nil {
					options = append(options, test.option)
				}
				w := newWorld(t, options...)
				w.run()
				test.fault(w)
				synctest.Wait()
				require.ErrorContains(t, w.requireStopWithin(10*time.Second+10*time.Millisecond), test.want)
				synctest.Wait() // Close is not waited for
				w.registry.Heal()
				w.output.Heal()
				w.runner.Installing.Heal()
				time.Sleep(time.Hour) // so that what hangs ends with the bubble
			})
		})
	}
}

func TestStopEndsPostsThatWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.output.Hang()
		posted := make(chan error, 1)
		go func() { posted <- w.Post(t.Context(), "web", metrics(1)) }()
		synctest.Wait()
		require.NoError(t, w.requireStopWithin(8*time.Second))
		require.Error(t, <-posted)
	})
}

func TestErrorOfClosingTheOutputIsThatOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, agent.WithOutput(unclosable{agenttest.NewOutput()}))
		w.run()
		require.ErrorIs(t, w.stopDirty(), errAway)
	})
}

// unclosable is an output that fails to close.
type unclosable struct{ *agenttest.Output }

func (unclosable) Close(context.Context) error { return errAway }

func TestAnOutputThatHealsDuringTheStopGetsWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.output.Fail(errAway)
		w.run()
		w.pass(time.Minute) // the waits between attempts are long by now
		waiting := w.account("web").Waiting
		time.AfterFunc(2*time.Second, func() { w.output.Fail(nil) })
		w.stop()
		require.Len(t, w.output.Points(), int(waiting))
		require.Empty(t, w.account("web").Dropped)
	}, every(10*time.Second, "m"), agent.WithShutdownTimeout(4*time.Second))
}

func TestRegistryThatAnswersAfterTheStopChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		release := make(chan struct{})
		w.registry.Answer(func(context.Context, agent.Host) ([]agent.Assignment, error) {
			<-release
			return assign("late", "web"), nil
		})
		go func() { _ = w.Update(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		require.ErrorContains(t, w.stopDirty(), "the registry did not return")
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
		close(release)
		synctest.Wait()
		require.Equal(t, []string{"web"}, w.Namespaces())
	})
}

// stuck is an output, a store and a runner of which nothing returns.
type stuck struct {
	agent.Output
	agent.Store
	agent.PluginRunner
	forever chan struct{}
}

func (s stuck) Write(context.Context, agent.Batch) error { <-s.forever; return nil }
func (s stuck) Put(context.Context, []agent.Batch) error { <-s.forever; return nil }
func (s stuck) Waiting() map[string]int64                { return nil }
func (s stuck) Next(context.Context) ([]agent.Batch, error) {
	<-s.forever
	return nil, nil
}
func (s stuck) Close(context.Context) error { <-s.forever; return nil }

func TestRunReturnsWithinTheShutdownTimeoutThoughEverythingHangs(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second, time.Minute} {
		t.Run(timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parts := stuck{forever: make(chan struct{})}
				w := newWorld(t, agent.WithOutput(parts), agent.WithStore(parts), agent.WithPluginRunner(parts),
					agent.WithCollector("X", time.Hour, &slowCollector{takes: time.Hour}), every(time.Second, "m"), agent.WithShutdownTimeout(timeout))
				w.run()
				w.registry.HangForever()
				go func() { _ = w.Update(t.Context()) }()
				go func() { _ = w.Post(t.Context(), "web", metrics(1)) }()
				w.pass(time.Minute)
				require.Error(t, w.requireStopWithin(timeout+10*time.Millisecond))
				w.registry.Heal()
				close(parts.forever)
				time.Sleep(2 * time.Hour) // so that what hangs ends with the bubble
			})
		})
	}
}
