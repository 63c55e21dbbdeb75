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
)

// keepingOutput is an output that has kept points from an earlier run.
type keepingOutput struct {
	*agenttest.Output
	mu   sync.Mutex
	kept map[string]agent.Account
}

func (o *keepingOutput) Write(ctx context.Context, b agent.Batch) error {
	if err := o.Output.Write(ctx, b); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	account := o.kept[b.Namespace]
	account.Accepted += int64(len(b.Metrics))
	account.Waiting += int64(len(b.Metrics))
	o.kept[b.Namespace] = account
	return nil
}

func (o *keepingOutput) Accounts() map[string]agent.Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	accounts := make(map[string]agent.Account)
	for namespace, account := range o.kept {
		accounts[namespace] = account
	}
	return accounts
}

// runOnce runs an agent on dir while during runs, and returns its accounts at
// the end.
func runOnce(t *testing.T, dir string, output agent.Output, during func(a *agent.Agent)) map[string]agent.Account {
	t.Helper()
	a, err := agent.New(agent.WithRegistry(agenttest.NewRegistry()), agent.WithOutput(output),
		agent.WithHostname("h"), agent.WithStateDir(dir))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	synctest.Wait()
	during(a)
	stop()
	require.NoError(t, <-done)
	return a.Status().Accounts
}

func post(t *testing.T, a *agent.Agent, points int) {
	t.Helper()
	metrics := make([]agent.Metric, points)
	for i := range metrics {
		metrics[i] = agent.Metric{Name: "m", Value: i}
	}
	require.NoError(t, a.Post(t.Context(), "ns", metrics))
}

func TestAccountsGoOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		runOnce(t, dir, agenttest.NewOutput(), func(a *agent.Agent) { post(t, a, 3) })
		accounts := runOnce(t, dir, agenttest.NewOutput(), func(a *agent.Agent) { post(t, a, 2) })
		require.Equal(t, agent.Account{Accepted: 5, Delivered: 5}, accounts["ns"])
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

func TestPointsThatAKeeperFindsAreNotCountedTwice(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first := &keepingOutput{Output: agenttest.NewOutput(), kept: map[string]agent.Account{}}
		accounts := runOnce(t, dir, first, func(a *agent.Agent) { post(t, a, 3) })
		require.Equal(t, agent.Account{Accepted: 3, Waiting: 3}, accounts["ns"])

		second := &keepingOutput{Output: agenttest.NewOutput(), kept: map[string]agent.Account{"ns": {Accepted: 3, Waiting: 3}}}
		accounts = runOnce(t, dir, second, func(a *agent.Agent) { post(t, a, 2) })
		require.Equal(t, agent.Account{Accepted: 5, Waiting: 5}, accounts["ns"])
	})
}

func TestPointsThatAKillTookAreCountedAsDropped(t *testing.T) {
	dir := t.TempDir()
	saved := `{"ns":{"accepted":9,"delivered":4,"waiting":5}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(saved), 0o600))
	synctest.Test(t, func(t *testing.T) {
		output := &keepingOutput{Output: agenttest.NewOutput(), kept: map[string]agent.Account{"ns": {Accepted: 2, Waiting: 2}}}
		accounts := runOnce(t, dir, output, func(*agent.Agent) {})
		require.Equal(t, agent.Account{Accepted: 9, Delivered: 4, Waiting: 2, Dropped: map[string]int64{"unclean_stop": 3}}, accounts["ns"])
	})
}

func TestAccountsAreSavedWhileTheAgentRuns(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		runOnce(t, dir, agenttest.NewOutput(), func(a *agent.Agent) {
			post(t, a, 1)
			time.Sleep(11 * time.Second)
			synctest.Wait()
			content, err := os.ReadFile(filepath.Join(dir, "ledger.json"))
			require.NoError(t, err)
			require.JSONEq(t, `{"ns":{"accepted":1,"delivered":1,"waiting":0}}`, string(content))
		})
	})
}

// killed copies what an agent that is killed now leaves in dir.
func killed(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	require.NoError(t, os.CopyFS(left, os.DirFS(dir)))
	return left
}

func TestAKillForgetsNoMoreThanAMoment(t *testing.T) {
	dir, left := t.TempDir(), ""
	synctest.Test(t, func(t *testing.T) {
		runOnce(t, dir, agenttest.NewOutput(), func(a *agent.Agent) {
			post(t, a, 3)
			time.Sleep(26 * time.Millisecond)
			synctest.Wait()
			left = killed(t, dir)
		})
		accounts := runOnce(t, left, agenttest.NewOutput(), func(a *agent.Agent) { post(t, a, 2) })
		require.Equal(t, agent.Account{Accepted: 5, Delivered: 5}, accounts["ns"])
	})
}

func TestPointsThatAKeeperDeliversAtTheStartAreNotGone(t *testing.T) {
	dir := t.TempDir()
	saved := `{"ns":{"accepted":9,"delivered":4,"waiting":5}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(saved), 0o600))
	synctest.Test(t, func(t *testing.T) {
		output := &keepingOutput{Output: agenttest.NewOutput(), kept: map[string]agent.Account{"ns": {Accepted: 5, Delivered: 3, Waiting: 2}}}
		accounts := runOnce(t, dir, output, func(*agent.Agent) {})
		require.Equal(t, agent.Account{Accepted: 9, Delivered: 7, Waiting: 2}, accounts["ns"])
	})
}

func TestAKillSoonAfterTheStartTakesNothingForGoneThatWasDelivered(t *testing.T) {
	dir, left := t.TempDir(), ""
	saved := `{"ns":{"accepted":5,"delivered":0,"waiting":5}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(saved), 0o600))
	synctest.Test(t, func(t *testing.T) {
		drained := &keepingOutput{Output: agenttest.NewOutput(), kept: map[string]agent.Account{"ns": {Accepted: 5, Delivered: 5}}}
		runOnce(t, dir, drained, func(*agent.Agent) { left = killed(t, dir) })
		empty := &keepingOutput{Output: agenttest.NewOutput(), kept: map[string]agent.Account{}}
		accounts := runOnce(t, left, empty, func(*agent.Agent) {})
		require.Equal(t, agent.Account{Accepted: 5, Delivered: 5}, accounts["ns"])
	})
}

func TestALedgerThatAPowerCutDamagedGivesWayToTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(`{"ns":{"accepted":4,"delivered":4,"waiting":0}}`), 0o600))
	torn := "00000000\n{\"number\":9,\"accounts\":{\"ns\":{\"accepted\":7,\"delivered\":7}}}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.recent.0"), []byte(torn), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.recent.1"), nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		accounts := runOnce(t, dir, agenttest.NewOutput(), func(*agent.Agent) {})
		require.Equal(t, agent.Account{Accepted: 4, Delivered: 4}, accounts["ns"])
	})
}

func TestANoteThatAKillCutOffGivesWayToTheOneBefore(t *testing.T) {
	dir, left := t.TempDir(), ""
	synctest.Test(t, func(t *testing.T) {
		runOnce(t, dir, agenttest.NewOutput(), func(a *agent.Agent) {
			for range 2 {
				post(t, a, 2)
				time.Sleep(26 * time.Millisecond)
				synctest.Wait()
			}
			left = killed(t, dir)
		})
		var accepted []int64
		for _, name := range []string{"ledger.recent.0", "ledger.recent.1"} {
			torn := killed(t, left)
			require.NoError(t, os.Truncate(filepath.Join(torn, name), 30))
			accounts := runOnce(t, torn, agenttest.NewOutput(), func(*agent.Agent) {})
			accepted = append(accepted, accounts["ns"].Accepted)
		}
		require.ElementsMatch(t, []int64{2, 4}, accepted)
	})
}

func TestADamagedLedgerBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger.json"), []byte(`{"ns":`), 0o600))
	synctest.Test(t, func(t *testing.T) {
		accounts := runOnce(t, dir, agenttest.NewOutput(), func(a *agent.Agent) { post(t, a, 1) })
		require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, accounts["ns"])
	})
}
