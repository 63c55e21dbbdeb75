package agent_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// named is a registry with a name.
type named struct {
	*agenttest.Registry
	name string
}

func (n named) String() string { return n.name }

// fleetAndLocal are two registries that are joined in this order.
type fleetAndLocal struct{ fleet, local *agenttest.Registry }

func newFleetAndLocal() fleetAndLocal {
	return fleetAndLocal{agenttest.NewRegistry(assign("base", "web")...), agenttest.NewRegistry(assign("disk", "own")...)}
}

func (f fleetAndLocal) option() agent.Option {
	return agent.WithRegistry(agent.Registries(named{f.fleet, "fleet"}, named{f.local, "local"}))
}

// inBubbleOfTwo is inBubble for an agent with two registries.
func inBubbleOfTwo(t *testing.T, f func(t *testing.T, w *world, r fleetAndLocal), options ...agent.Option) {
	t.Helper()
	r := newFleetAndLocal()
	inBubble(t, func(t *testing.T, w *world) { f(t, w, r) }, append(options, r.option())...)
	require.Empty(t, append(r.fleet.Violations(), r.local.Violations()...))
}

func TestJoinedRegistriesAssignTheirUnion(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		w.run()
		require.Equal(t, []string{"base", "disk", "own", "web"}, w.Namespaces())
		require.Equal(t, []agent.RegistryMember{
			{Name: "fleet", Namespaces: 2, Asked: time.Now(), Answered: time.Now()},
			{Name: "local", Namespaces: 2, Asked: time.Now(), Answered: time.Now()},
		}, w.Status().Registry.Members)
		r.local.Assign(assign("own")...)
		require.NoError(t, w.Update(t.Context()))
		require.Equal(t, []string{"base", "own", "web"}, w.Namespaces())
	})
}

func TestFirstRegistryThatAssignsANamespaceWins(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		r.local.Assign(agent.Assignment{Namespace: "web", ID: "another", Plugins: []agent.Plugin{{Name: "PLUGIN.x", Repo: "o/x"}}})
		w.run()
		require.Equal(t, []string{"base", "web"}, w.Namespaces())
		require.Empty(t, w.Plugins())
		require.Equal(t, []string{"namespace web: local has this namespace, too, which is ignored: fleet comes before it"}, w.Status().Registry.Problems)
	})
}

func TestRegistryThatFailsAmongOthersKeepsItsNamespaces(t *testing.T) {
	faults := map[string]func(r *agenttest.Registry){
		"error": func(r *agenttest.Registry) { r.Fail(errAway) },
		"panic": func(r *agenttest.Registry) { r.Panic("ouch") },
		"hang":  func(r *agenttest.Registry) { r.Hang() },
		"each namespace": func(r *agenttest.Registry) {
			r.FailNamespace("base", errAway)
			r.FailNamespace("web", errAway)
		},
		"error beside an answer": func(r *agenttest.Registry) {
			r.Answer(func(context.Context, agent.Host) ([]agent.Assignment, error) { return assign("base"), errAway })
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
				w.run()
				fault(r.fleet)
				r.local.Assign(assign("own", "new")...)
				require.Error(t, w.Update(t.Context()))
				require.Equal(t, []string{"base", "new", "own", "web"}, w.Namespaces(), "disk is gone: its registry says so")
				members := w.Status().Registry.Members
				require.NotEmpty(t, members[0].Error)
				require.Empty(t, members[1].Error)
				r.fleet.Heal() // what hangs ends
			})
		})
	}
}

func TestRegistryThatFailsDoesNotLoseItsNamespaceToALaterOne(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		r.fleet.Assign(agent.Assignment{Namespace: "web", Plugins: []agent.Plugin{{Name: "PLUGIN.x", Repo: "o/x"}}})
		w.run()
		r.local.Assign(assign("disk", "own", "web")...)
		r.fleet.Fail(errAway)
		require.ErrorIs(t, w.Update(t.Context()), errAway)
		require.Len(t, w.Plugins(), 1)
		r.fleet.Heal()
		r.fleet.FailNamespace("web", errAway)
		require.ErrorIs(t, w.Update(t.Context()), errAway)
		require.Len(t, w.Plugins(), 1)
	})
}

func TestRegistryThatFailsLaterInTheOrderLosesItsNamespace(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		w.run()
		r.local.Fail(errAway)
		r.fleet.Assign(agent.Assignment{Namespace: "own", Plugins: []agent.Plugin{{Name: "PLUGIN.x", Repo: "o/x"}}}, agent.Assignment{Namespace: "web"})
		require.ErrorIs(t, w.Update(t.Context()), errAway)
		require.Equal(t, []string{"disk", "own", "web"}, w.Namespaces())
		require.Len(t, w.Plugins(), 1)
	})
}

func TestJoinedRegistriesThatAllFailAreNoAnswer(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		r.fleet.Fail(errAway)
		r.local.Fail(errors.New("gone"))
		w.run()
		require.False(t, w.Status().Registry.InForce)
		require.Equal(t, "ask the registry for assignments: fleet: away; local: gone", w.Status().Registry.Error)
		r.local.Heal()
		w.pass(10 * time.Second)
		require.Equal(t, []string{"disk", "own"}, w.Namespaces())
	})
}

func TestNamespacesOfARegistryThatIsAwayOutliveARestart(t *testing.T) {
	for name, before := range map[string]func(r fleetAndLocal) agent.Option{
		"joined": fleetAndLocal.option,
		"before it was joined": func(r fleetAndLocal) agent.Option {
			return agent.WithRegistry(agent.RegistryFunc(func(context.Context, agent.Host) ([]agent.Assignment, error) {
				return assign("base", "web"), nil
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := agent.WithStateDir(t.TempDir())
			inBubble(t, func(t *testing.T, w *world) { w.run() }, state, before(newFleetAndLocal()))
			inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
				r.fleet.Fail(errAway)
				r.local.Assign(assign("own", "own2")...)
				w.run()
				require.Equal(t, []string{"base", "own", "own2", "web"}, w.Namespaces())
			}, state)
		})
	}
}

func TestEachJoinedRegistryHearsOfItsOwnNamespaces(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		w.run()
		require.Equal(t, []string{"base", "web"}, r.fleet.WaitForReports(t, 1)[0].Namespaces)
		require.Equal(t, []string{"id-disk", "id-own"}, r.local.WaitForReports(t, 1)[0].IDs)
		r.local.Reporting.Fail(errAway)
		require.ErrorContains(t, w.Update(t.Context()), "report to local: away")
	})
}

func TestRegistryThatTakesAwayMostOfItsOwnIsDoubted(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		r.local.Assign(assign("a", "b", "c", "d", "e", "f", "g")...)
		w.run()
		r.fleet.Assign()
		require.ErrorContains(t, w.Update(t.Context()), "fleet would remove more than half of what runs here (2 namespaces, plugins, ports and processes, 0 afterwards)")
		require.Len(t, w.Namespaces(), 9)
		w.pass(61 * time.Second)
		require.NoError(t, w.Update(t.Context()))
		require.Len(t, w.Namespaces(), 7)
	})
}

func TestNamespacesThatPassToAnotherRegistryAreNotDoubted(t *testing.T) {
	inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) {
		w.run()
		r.local.Assign(assign("base", "disk", "own", "web")...)
		r.fleet.Assign()
		require.NoError(t, w.Update(t.Context()))
		require.Equal(t, 4, w.Status().Registry.Members[1].Namespaces)
	})
}

func TestWhatARegistryHadThatWasTakenOutGoesAtOnce(t *testing.T) {
	for name, after := range map[string]func(r fleetAndLocal) agent.Option{
		"one of several is left": func(r fleetAndLocal) agent.Option {
			return agent.WithRegistry(agent.Registries(named{r.local, "local"}))
		},
		"one alone is left": func(r fleetAndLocal) agent.Option { return agent.WithRegistry(named{r.local, "local"}) },
	} {
		t.Run(name, func(t *testing.T) {
			state := agent.WithStateDir(t.TempDir())
			inBubbleOfTwo(t, func(t *testing.T, w *world, r fleetAndLocal) { w.run() }, state)
			r := newFleetAndLocal()
			inBubble(t, func(t *testing.T, w *world) {
				w.run()
				require.Equal(t, []string{"disk", "own"}, w.Namespaces())
				require.Empty(t, w.Status().Registry.Problems)
			}, state, after(r))
			inBubble(t, func(t *testing.T, w *world) {
				r.local.Assign()
				w.run()
				require.ErrorContains(t, w.Update(t.Context()), "more than half")
				require.Equal(t, []string{"disk", "own"}, w.Namespaces(), "what is left is guarded still")
			}, state, after(r))
		})
	}
}

func TestRegistriesHaveDifferentNames(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		var names []string
		for _, m := range w.Status().Registry.Members {
			names = append(names, m.Name)
		}
		require.Equal(t, []string{"x", "x (2)", "registry 3", "registry 4"}, names)
	}, agent.WithRegistry(agent.Registries(
		agent.Registries(named{agenttest.NewRegistry(), "x"}, named{agenttest.NewRegistry(), "x"}),
		agent.StaticRegistry("a"), agent.StaticRegistry("b"))))
}

func TestRegistriesThatAreMissingAreRefused(t *testing.T) {
	for want, r := range map[string]agent.Registry{
		"WithRegistry: there is no registry in Registries":  agent.Registries(),
		"WithRegistry: the registry 2 of Registries is nil": agent.Registries(agent.StaticRegistry("a"), nil),
	} {
		_, err := agent.New(agent.WithRegistry(r), agent.WithOutput(agenttest.NewOutput()))
		require.ErrorContains(t, err, want)
	}
}

// watched is a registry that notices its changes.
type watched struct {
	*agenttest.Registry
	changed chan struct{}
}

func (w watched) Watch(ctx context.Context, changed func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-w.changed:
			if !open {
				panic("ouch")
			}
			changed()
		}
	}
}

func TestAChangeThatTheRegistryNoticesIsInForceAtOnce(t *testing.T) {
	for name, join := range map[string]func(agent.Registry) agent.Registry{
		"alone":  func(r agent.Registry) agent.Registry { return r },
		"joined": func(r agent.Registry) agent.Registry { return agent.Registries(agent.StaticRegistry("fleet"), r) },
	} {
		t.Run(name, func(t *testing.T) {
			registry := watched{agenttest.NewRegistry(assign("a", "b", "c", "d")...), nil}
			synctest.Test(t, func(t *testing.T) {
				registry.changed = make(chan struct{})
				w := newWorld(t, agent.WithRegistry(join(registry)), agent.WithUpdateInterval(24*time.Hour))
				w.run()
				registry.Assign(assign("a", "b", "new")...)
				registry.changed <- struct{}{}
				synctest.Wait()
				require.Contains(t, w.Namespaces(), "new")

				registry.Assign(assign("a")...)
				registry.changed <- struct{}{}
				synctest.Wait()
				require.Contains(t, w.Namespaces(), "new", "it takes away most, so the agent asks again in a minute")
				w.pass(61 * time.Second)
				require.NotContains(t, w.Namespaces(), "new")

				close(registry.changed)
				synctest.Wait()
				require.Equal(t, 1, w.log.count("changes of the registry come into force only at its updates"))
				w.stop()
			})
		})
	}
}
