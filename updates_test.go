package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// assign returns an assignment for each namespace.
func assign(namespaces ...string) []agent.Assignment {
	var list []agent.Assignment
	for _, ns := range namespaces {
		list = append(list, agent.Assignment{Namespace: ns, ID: "id-" + ns})
	}
	return list
}

func TestRegistryIsAskedAtTheStartAndAtEveryInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		require.Len(t, w.registry.Hosts(), 1)
		require.Equal(t, "h1", w.registry.Hosts()[0].Hostname)
		w.pass(10 * time.Minute)
		asked := len(w.registry.Hosts())
		require.Contains(t, []int{2, 3}, asked, "the second time after a random part of the interval")
		w.pass(time.Hour)
		require.Len(t, w.registry.Hosts(), asked+6)
	})
}

func TestGoodAnswerReplacesTheOneBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("web", "db")...)
		w.run()
		require.Equal(t, []string{"db", "web"}, w.Namespaces())
		w.registry.Assign(assign("web", "cache")...)
		require.NoError(t, w.Update(t.Context()))
		require.Equal(t, []string{"cache", "web"}, w.Namespaces())
	})
}

func TestFailingRegistryChangesNothingThatRuns(t *testing.T) {
	faults := map[string]func(r *agenttest.Registry){
		"error": func(r *agenttest.Registry) { r.Fail(errAway) },
		"panic": func(r *agenttest.Registry) { r.Panic("ouch") },
		"hang":  func(r *agenttest.Registry) { r.Hang() },
		"slow":  func(r *agenttest.Registry) { r.Slow(time.Hour) },
		"error beside nothing but an empty list": func(r *agenttest.Registry) {
			r.Answer(func(context.Context, agent.Host) ([]agent.Assignment, error) { return []agent.Assignment{}, errAway })
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.run()
				fault(w.registry)
				began := time.Now()
				require.Error(t, w.Update(t.Context()))
				require.LessOrEqual(t, time.Since(began), time.Minute)
				require.NotEmpty(t, w.Status().Registry.Error)
				require.Equal(t, []string{"web"}, w.Namespaces())
				w.output.Forget()
				w.pass(time.Hour)
				require.InDelta(t, 360, len(w.output.Points()), 1)
				w.registry.Heal()
				w.registry.Answer(nil)
				w.pass(time.Minute) // what is under way ends
				require.NoError(t, w.Update(t.Context()))
				require.Empty(t, w.Status().Registry.Error)
			}, every(10*time.Second, "m"))
		})
	}
}

func TestFailingRegistryIsAskedAgainSoon(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.FailTimes(3, errAway)
		w.run()
		require.Empty(t, w.Namespaces())
		require.False(t, w.Status().Registry.InForce)
		w.pass(10 * time.Second)
		require.Equal(t, []string{"web"}, w.Namespaces())
		require.True(t, w.Status().Registry.InForce)
	})
}

func TestNamespaceThatCouldNotBeHadKeepsWhatItHad(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(assign("cache", "db", "web")...)
		w.run()
		w.registry.Assign(assign("db", "web", "new")...)
		w.registry.FailNamespace("db", errAway)
		require.ErrorIs(t, w.Update(t.Context()), errAway)
		require.Equal(t, []string{"db", "new", "web"}, w.Namespaces(), "cache is gone, db is kept")
	})
}

func TestNamespacesBesideAnErrorAreTakenOverAndNoneIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.registry.Answer(func(context.Context, agent.Host) ([]agent.Assignment, error) { return assign("db"), errAway })
		require.ErrorIs(t, w.Update(t.Context()), errAway)
		require.Equal(t, []string{"db", "web"}, w.Namespaces())
	})
}

func TestRubbishInAnAnswerIsLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Assign(
			agent.Assignment{Namespace: "", ID: "nameless"},
			agent.Assignment{Namespace: "web", ID: "first", Problems: []string{"port 99999 is not a port"}},
			agent.Assignment{Namespace: "web", ID: "second"},
			agent.Assignment{Namespace: "../../etc"},
			agent.Assignment{Namespace: "db", Intervals: map[string]time.Duration{"m": -time.Second, "unknown": 1}},
		)
		w.run()
		require.Equal(t, []string{"db", "web"}, w.Namespaces())
		require.ElementsMatch(t, []string{
			"namespace web: port 99999 is not a port",
			"namespace web occurs twice in the answer: the second one is ignored",
			"ignored: the namespace is empty",
			`namespace db: the interval of "m" is ignored: an interval of -1s is negative`,
			`namespace db: the interval of "unknown" is ignored: an interval of 1ns is too short; the shortest is 10ms`,
			`ignored: namespace "../../etc" contains '/'; namespaces consist of a-z A-Z 0-9 . _ -`,
		}, w.Status().Registry.Problems)
		w.pass(time.Second)
		require.Len(t, w.output.Points(), 2)
	}, every(10*time.Second, "m"))
}

// The first asks at once. The others come while that is under way: they share an
// answer that is not older than their calls.
func TestConcurrentUpdatesShareAnAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.registry.Slow(time.Second)
		asked := len(w.registry.Hosts())
		var updates sync.WaitGroup
		for range 10 {
			updates.Go(func() { require.NoError(t, w.Update(t.Context())) })
		}
		updates.Wait()
		require.Len(t, w.registry.Hosts(), asked+2)
	})
}

func TestCallerOfUpdateMayGoAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		w.registry.HangForever()
		for range 2 { // who asks, and who shares the answer
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, w.Update(ctx), context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(began))
		}
		w.registry.Heal()
	})
}

func TestAgentStartsWithTheLastGoodAnswerWhileTheRegistryIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		state := filepath.Join(t.TempDir(), "made", "as", "needed")
		first := newWorld(t, agent.WithStateDir(state))
		first.registry.Assign(assign("db", "web")...)
		first.run()
		first.stop()

		second := newWorld(t, agent.WithStateDir(state), every(10*time.Second, "m"))
		second.registry.Hang()
		second.run()
		require.Equal(t, []string{"db", "web"}, second.Namespaces())
		require.True(t, second.Status().Registry.InForce)
		second.output.WaitForNamed(t, "m", 2)
		second.stop()
	})
}

// A logger that asks the registry while the agent loads what it knew is the
// earliest there can be.
func TestRegistryIsNotAskedBeforeWhatWasKnownIsInForce(t *testing.T) {
	state := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(state, "host.json"), []byte("damaged"), 0o600))
	var asked error
	handler := asking{new(atomic.Pointer[agent.Agent]), func(a *agent.Agent) {
		if asked == nil {
			asked = a.Update(context.Background())
		}
	}}
	inBubble(t, func(t *testing.T, w *world) {
		handler.agent.Store(w.Agent)
		w.run()
		require.ErrorIs(t, asked, agent.ErrNotRunning)
		require.NoError(t, w.Update(t.Context()))
	}, agent.WithStateDir(state), agent.WithLogger(slog.New(handler)))
}

func TestDamagedStateIsNoReasonNotToStart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		state := t.TempDir()
		for _, name := range []string{"assignments.json", "host.json", "disabled.json", "ledger.json"} {
			require.NoError(t, os.WriteFile(filepath.Join(state, name), []byte(`{"half": [1, 2`), 0o600))
		}
		damaged := newWorld(t, agent.WithStateDir(state), every(10*time.Second, "m"))
		damaged.run()
		damaged.output.WaitFor(t, 1)
		damaged.stop()
	})
}

func TestReportTellsAboutTheHost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		report := w.registry.WaitForReports(t, 1)[0]
		require.Equal(t, "h1", report.Host.Hostname)
		require.Equal(t, report.Host, report.Previous)
		require.False(t, report.Changed)
		require.Equal(t, []string{"web"}, report.Namespaces)
		require.Equal(t, []string{"id-web"}, report.IDs)
		require.Equal(t, agent.ReadBuild(), report.Build)
	})
}

func TestALogSaysWhatAFailedUpdateMeans(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Fail(errAway)
		w.run()
		require.Equal(t, 1, w.log.count("the update from the registry failed: nothing is collected until one succeeds"))
		w.registry.Heal()
		w.pass(time.Minute)
		w.registry.Fail(errAway)
		require.Error(t, w.Update(t.Context()))
		require.Equal(t, 1, w.log.count("the update from the registry failed: what was assigned before stays in force"))
		w.registry.Heal()
	})
}

func TestRefusedReportIsRepeatedAndTakesNothingAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.registry.Reporting.FailTimes(2, errAway)
		w.run()
		require.Equal(t, []string{"web"}, w.Namespaces())
		require.Contains(t, w.Status().Registry.Error, "report to the registry: away")
		w.pass(10 * time.Second)
		require.NotEmpty(t, w.registry.Reports(), "two where the random part of the first interval is short")
		require.Empty(t, w.Status().Registry.Error)
	})
}

// renamed returns an agent that has not run yet, of a host that was h1 when its
// last report was accepted and is h2 now.
func renamed(t *testing.T) *world {
	state := t.TempDir()
	before := newWorld(t, agent.WithStateDir(state))
	before.run()
	before.stop()
	return newWorld(t, agent.WithStateDir(state), agent.WithHostname("h2"))
}

func TestRenamedHostAsksForNothingUntilItsReportIsAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		after := renamed(t)
		after.registry.Reporting.Fail(errAway)
		after.run()
		after.pass(time.Hour)
		require.Empty(t, after.registry.Hosts(), "not asked")
		require.Equal(t, []string{"web"}, after.Namespaces(), "but remembered")

		after.registry.Reporting.Heal()
		after.pass(time.Minute)
		report := after.registry.WaitForReports(t, 1)[0]
		require.True(t, report.Changed)
		require.Equal(t, "h1", report.Previous.Hostname)
		require.Equal(t, "h2", report.Host.Hostname)
		after.registry.WaitFor(t, 1)
		synctest.Wait()
		require.NoError(t, after.Update(t.Context()))
		reports := after.registry.Reports()
		require.False(t, reports[len(reports)-1].Changed, "accepted is accepted")
		after.stop()
	})
}

func TestHostWhoseOldNameTheRegistryDoesNotKnowIsReportedAsANewOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		after := renamed(t)
		after.registry.Reporting.FailTimes(1, fmt.Errorf("500 machine not found: %w", agent.ErrHostUnknown))
		after.run()
		require.Equal(t, "h2", after.registry.Hosts()[0].Hostname, "asked under the new name")
		reports := after.registry.Reports()
		require.Len(t, reports, 1)
		require.False(t, reports[0].Changed, "a first report")
		require.Equal(t, "h2", reports[0].Previous.Hostname)
		require.Contains(t, after.Status().Registry.Problems[0], "does not know this host's old name h1")
		require.NoError(t, after.Update(t.Context()))
		require.Empty(t, after.Status().Registry.Problems, "settled")
		after.stop()
	})
}

// silent is a registry that is not a Reporter.
type silent struct{ registry *agenttest.Registry }

func (s silent) Assignments(ctx context.Context, h agent.Host) ([]agent.Assignment, error) {
	return s.registry.Assignments(ctx, h)
}

func TestRegistryNeedNotTakeReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, agent.WithRegistry(silent{agenttest.NewRegistry(assign("db")...)}))
		w.run()
		require.Equal(t, []string{"db"}, w.Namespaces())
		w.stop()
	})
}

func TestPartialErrorNamesEveryNamespace(t *testing.T) {
	err := &agent.PartialError{Namespaces: map[string]error{"web": errAway, "db": errors.New("no JSON")}}
	require.EqualError(t, err, "namespace db: no JSON; namespace web: away")
	require.ErrorIs(t, err, errAway)
}

func TestUnknownAddressesAreAProblemAndNotTheEnd(t *testing.T) {
	var known atomic.Bool
	addresses := func() ([]string, error) {
		if known.Load() {
			return []string{"10.0.0.1"}, nil
		}
		return nil, errors.New("netlink: address family not supported by protocol")
	}
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		require.Equal(t, []string{"web"}, w.Namespaces())
		require.Empty(t, w.Status().Registry.Error)
		require.Len(t, w.Status().Registry.Problems, 1)
		require.Contains(t, w.Status().Registry.Problems[0], "RestrictAddressFamilies must have AF_NETLINK")
		require.Contains(t, w.Status().Registry.Problems[0], "address family not supported")

		known.Store(true)
		require.NoError(t, w.Update(t.Context()))
		require.Empty(t, w.Status().Registry.Problems)
		require.Equal(t, []string{"10.0.0.1"}, w.registry.Hosts()[1].Addresses)

		known.Store(false)
		require.NoError(t, w.Update(t.Context()))
		require.Equal(t, []string{"10.0.0.1"}, w.registry.Hosts()[2].Addresses, "what was reported stands")
	}, agent.WithAddresses(addresses))
}
