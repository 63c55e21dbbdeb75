package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/statefile"
)

// keeping returns an option with a store that has found this many points of web, and keeps
// new batches.
func keeping(points int64) agent.Option { return agent.WithStore(&keepingStore{found: points}) }

// keepingStore keeps batches and never returns them.
type keepingStore struct{ found int64 }

func (s *keepingStore) Waiting() map[string]int64                   { return map[string]int64{"web": s.found} }
func (s *keepingStore) Put(context.Context, []agent.Batch) error    { return nil }
func (s *keepingStore) Next(context.Context) ([]agent.Batch, error) { return nil, nil }
func (s *keepingStore) Done(context.Context, []agent.Batch) error   { return nil }
func (s *keepingStore) Rewind()                                     {}
func (s *keepingStore) Losses() []agent.Loss                        { return nil }
func (s *keepingStore) Inspect() agent.StoreDetails                 { return agent.StoreDetails{} }
func (s *keepingStore) Close(context.Context) error                 { return nil }

// runOnce runs an agent that remembers in state, does something meanwhile, and
// returns web's account at the end.
func runOnce(t *testing.T, state string, during func(w *world), options ...agent.Option) agent.Account {
	t.Helper()
	w := newWorld(t, append(options, agent.WithStateDir(state))...)
	w.run()
	during(w)
	w.stop()
	return w.account("web")
}

// posts posts n points.
func posts(n int) func(w *world) {
	return func(w *world) { require.NoError(w.t, w.Post(w.t.Context(), "web", metrics(n))) }
}

func nothing(*world) {}

// savedLedger returns a state directory with a ledger.
func savedLedger(t *testing.T, content string) (state string) {
	t.Helper()
	state = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(state, "ledger.json"), []byte(content), 0o600))
	return state
}

// killed copies the state directory as an agent leaves it that is killed now.
func killed(t *testing.T, state string) (left string) {
	t.Helper()
	left = t.TempDir()
	require.NoError(t, os.CopyFS(left, os.DirFS(state)))
	return left
}

func TestAccountsGoOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		runOnce(t, state, posts(3))
		require.Equal(t, agent.Account{Accepted: 5, Delivered: 5}, runOnce(t, state, posts(2)))
	})
}

func TestAccountsOfEarlierRunsAreKnownBeforeTheAgentRuns(t *testing.T) {
	dir := t.TempDir()
	saved := `{"ns":{"accepted":4,"delivered":4,"waiting":0}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(saved), 0o600))
	a, err := agent.New(agent.WithRegistry(agenttest.NewRegistry()), agent.WithOutput(agenttest.NewOutput()), agent.WithStateDir(dir))
	require.NoError(t, err)
	require.Equal(t, agent.Account{Accepted: 4, Delivered: 4}, a.Status().Accounts["ns"])
}

func TestPointsThatTheStoreFindsAreNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		down := func(w *world) {
			w.output.Fail(errAway)
			posts(3)(w)
		}
		require.Equal(t, agent.Account{Accepted: 3, Waiting: 3}, runOnce(t, state, down, keeping(0)))
		require.Equal(t, agent.Account{Accepted: 5, Delivered: 2, Waiting: 3}, runOnce(t, state, posts(2), keeping(3)))
	})
}

func TestPointsThatAKillTookAreCountedAsDroppedAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := savedLedger(t, `{"web":{"accepted":9,"delivered":4,"waiting":5},"db":{"accepted":1,"waiting":1}}`)
		said := 0
		require.Equal(t, agent.Account{Accepted: 9, Delivered: 4, Waiting: 2, Dropped: map[string]int64{"unclean_stop": 3}},
			runOnce(t, state, func(w *world) { said = w.log.count("level=WARN") }, keeping(2)))
		require.Equal(t, 1, said)
	})
}

func TestAccountsAreSavedWhileTheAgentRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		runOnce(t, state, func(w *world) {
			posts(1)(w)
			w.pass(11 * time.Second)
			var saved map[string]agent.Account
			_, err := statefile.Load(filepath.Join(state, "ledger.json"), &saved)
			require.NoError(t, err)
			require.Equal(t, map[string]agent.Account{"web": {Accepted: 1, Delivered: 1}}, saved)
		})
	})
}

func TestKillForgetsNoMoreThanAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, left := t.TempDir(), ""
		runOnce(t, state, func(w *world) {
			posts(3)(w)
			w.pass(26 * time.Millisecond)
			left = killed(t, state)
		})
		require.Equal(t, agent.Account{Accepted: 5, Delivered: 5}, runOnce(t, left, posts(2)))
	})
}

func TestKillSoonAfterTheStartCountsNothingTwiceAsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, left := savedLedger(t, `{"web":{"accepted":5,"delivered":0,"waiting":5}}`), ""
		want := agent.Account{Accepted: 5, Waiting: 2, Dropped: map[string]int64{"unclean_stop": 3}}
		require.Equal(t, want, runOnce(t, state, func(*world) { left = killed(t, state) }, keeping(2)))
		require.Equal(t, want, runOnce(t, left, nothing, keeping(2)))
	})
}

func TestLedgerThatAPowerCutDamagedGivesWayToTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := savedLedger(t, `{"web":{"accepted":4,"delivered":4,"waiting":0}}`)
		torn := "00000000\n{\"number\":9,\"accounts\":{\"web\":{\"accepted\":7,\"delivered\":7}}}\n"
		require.NoError(t, os.WriteFile(filepath.Join(state, "ledger.recent.0"), []byte(torn), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(state, "ledger.recent.1"), nil, 0o600))
		require.Equal(t, agent.Account{Accepted: 4, Delivered: 4}, runOnce(t, state, nothing))
	})
}

func TestNoteThatAKillCutOffGivesWayToTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, left := t.TempDir(), ""
		runOnce(t, state, func(w *world) {
			for range 2 {
				posts(2)(w)
				w.pass(26 * time.Millisecond)
			}
			left = killed(t, state)
		})
		var accepted []int64
		for _, name := range []string{"ledger.recent.0", "ledger.recent.1"} {
			torn := killed(t, left)
			require.NoError(t, os.Truncate(filepath.Join(torn, name), 30))
			accepted = append(accepted, runOnce(t, torn, nothing).Accepted)
		}
		require.ElementsMatch(t, []int64{2, 4}, accepted)
	})
}

func TestDamagedLedgerBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, runOnce(t, savedLedger(t, `{"web":`), posts(1)))
	})
}

func TestTheAccountsAreLoadedOnceHoweverManyAskWhileTheAgentStarts(t *testing.T) {
	dir := t.TempDir()
	saved := `{"ns":{"accepted":4,"delivered":4,"waiting":0}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(saved), 0o600))
	inBubble(t, func(t *testing.T, w *world) {
		var asking sync.WaitGroup
		for range 8 {
			asking.Go(func() { w.Status() })
		}
		w.run()
		asking.Wait()
		require.Equal(t, agent.Account{Accepted: 4, Delivered: 4}, w.account("ns"))
	}, agent.WithStateDir(dir))
}
