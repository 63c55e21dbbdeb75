package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/sandbox"
)

// until is a line of a script that waits for the file $PIDS.go.
const until = "until test -e $PIDS.go; do sleep 0.02; done; "

func letGo(t *testing.T, c sandbox.Command) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(c.Dir, "pids.go"), nil, 0o600))
}

// underWay starts a command that writes to $PIDS, and waits until it has.
func underWay(t *testing.T, s *sandbox.Supervisor, c sandbox.Command) <-chan sandbox.Result {
	t.Helper()
	results := make(chan sandbox.Result, 1)
	go func() {
		res, err := s.Run(within(t, 20*time.Second), c)
		assert.NoError(t, err)
		results <- res
	}()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(c.Dir, "pids"))
		return err == nil && strings.HasSuffix(string(text), "\n")
	}, 10*time.Second, 10*time.Millisecond)
	return results
}

func TestEndOfARunLeavesTheProcessesOfOthersAlone(t *testing.T) {
	eachKind(t, sandbox.Config{NoNewPrivs: true}, func(t *testing.T, s *sandbox.Supervisor) {
		for range 3 { // sandboxes are there to be used again
			_, err := s.Run(t.Context(), command(t, "true"))
			require.NoError(t, err)
		}
		c := command(t, "(sleep 1000 >/dev/null 2>&1 & echo $! >>$PIDS); "+until+"kill -0 $(cat $PIDS) && echo alive")
		orphaned := underWay(t, s, c)
		for range 3 {
			res, err := s.Run(t.Context(), command(t, "sleep 1000 & true"))
			require.NoError(t, err)
			require.Equal(t, 1, res.Leftover)
		}
		letGo(t, c)
		res := <-orphaned
		require.Zero(t, res.ExitCode)
		require.Equal(t, "alive\n", string(res.Stdout))
		require.Equal(t, 1, res.Leftover)
		requireDead(t, c)
	})
}

func TestCommandMayTidyUpBeforeItIsKilled(t *testing.T) {
	eachKind(t, sandbox.Config{Grace: 20 * time.Second}, func(t *testing.T, s *sandbox.Supervisor) {
		ctx, cancel := context.WithCancel(t.Context())
		c := command(t, `trap "echo bye; exit 5" TERM; echo $$ >$PIDS; while :; do sleep 0.02; done`)
		time.AfterFunc(300*time.Millisecond, cancel)
		res, err := s.Run(ctx, c)
		require.ErrorIs(t, err, sandbox.ErrEnded)
		require.Equal(t, 5, res.ExitCode)
		require.Equal(t, "bye\n", string(res.Stdout))
	})
}

func TestUsageOfARunThatWasEndedIsKnown(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachKind(t, sandbox.Config{}, func(t *testing.T, s *sandbox.Supervisor) {
		script := "while :; do :; done"
		if s.Kind() == "cgroup" { // counts those that nobody has waited for, too
			script = "(" + script + ") & (" + script + ") & wait"
		}
		for range 2 { // the second one in the sandbox of the first, maybe
			res, err := s.Run(within(t, time.Second), command(t, script))
			require.ErrorIs(t, err, sandbox.ErrEnded)
			require.Greater(t, res.Usage.CPU, 20*time.Millisecond)
			require.Less(t, res.Usage.CPU, 20*time.Second)
		}
		res, err := s.Run(t.Context(), command(t, script+"& sleep 0.3"))
		require.NoError(t, err)
		if s.Kind() == "cgroup" {
			require.Greater(t, res.Usage.CPU, 20*time.Millisecond, "of what a command left")
		}
		res, err = s.Run(t.Context(), command(t, "true"))
		require.NoError(t, err)
		require.Less(t, res.Usage.CPU, 500*time.Millisecond, "of this run alone")
	})
}

func TestCloseWaitsForARunUnderWay(t *testing.T) {
	s, err := sandbox.Open(sandbox.Config{})
	require.NoError(t, err)
	c := command(t, "echo $$ >>$PIDS; "+until+"echo done")
	results := underWay(t, s, c)
	time.AfterFunc(200*time.Millisecond, func() { letGo(t, c) })
	require.NoError(t, s.Close(within(t, 20*time.Second)))
	requireDead(t, c)
	res := <-results
	require.Equal(t, "done\n", string(res.Stdout))
}

func TestCloseDoesNotWaitLongerThanItMay(t *testing.T) {
	s, err := sandbox.Open(sandbox.Config{NoCgroup: true})
	require.NoError(t, err)
	c := command(t, "echo $$ >>$PIDS; "+until)
	results := underWay(t, s, c)
	require.ErrorIs(t, s.Close(within(t, 50*time.Millisecond)), context.DeadlineExceeded)
	letGo(t, c)
	<-results
}
