package nsqoutput

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
)

var errRefused = errors.New("connection refused")

func newCircuit() *circuit {
	return &circuit{addr: "nsqd:4150", timeout: 5 * time.Second, log: slog.New(slog.DiscardHandler), state: agent.ServerUnused, retry: backoff.Backoff{First: shortestRest, Most: longestRest}}
}

func TestCircuitLeavesAFailingServerAloneForLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCircuit()
		c.settle(errRefused, 0, false, agent.ServerUp)
		for _, longest := range []time.Duration{100, 200, 400, 800, 1000, 1000, 1000} {
			longest *= time.Millisecond
			time.Sleep(longest/2 - time.Nanosecond)
			require.False(t, c.claimRested(time.Now()), "before half of %v", longest)
			time.Sleep(longest/2 + time.Nanosecond)
			require.True(t, c.claimRested(time.Now()), "after %v", longest)
			require.False(t, c.claimRested(time.Now()), "by one at a time")
			c.settle(errRefused, 0, true, agent.ServerUp)
		}
		c.settle(nil, 0, false, agent.ServerUp)
		c.settle(errRefused, 0, false, agent.ServerUp)
		time.Sleep(100 * time.Millisecond)
		require.True(t, c.claimRested(time.Now()), "a success makes up for all failures before")
	})
}

func TestCircuitLetsOneRequestAtATimeToAServerOnTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCircuit()
		c.settle(errRefused, 0, false, agent.ServerUp)
		time.Sleep(time.Second)
		require.True(t, c.claimRested(time.Now()))
		c.settle(nil, 0, true, agent.ServerTrial)

		require.False(t, c.working())
		ok, claimed := c.use()
		require.True(t, ok)
		require.True(t, claimed)
		ok, _ = c.use()
		require.False(t, ok, "while the first is under way")

		c.settle(errNoAnswer, time.Second, true, agent.ServerUp)
		require.Equal(t, agent.ServerDown, c.status().State)
		time.Sleep(100 * time.Millisecond)
		require.False(t, c.claimRested(time.Now()), "failures before the trial count on")
	})
}

func TestCircuitCountsFailuresAtTheSameTimeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCircuit()
		for range 8 {
			c.settle(errRefused, 0, false, agent.ServerUp)
		}
		time.Sleep(100 * time.Millisecond)
		require.True(t, c.claimRested(time.Now()))
	})
}

func TestCircuitDoesNotBlameTheServerForTheCallersHaste(t *testing.T) {
	tests := map[string]struct {
		err   error
		took  time.Duration
		blame bool
	}{
		"given up":                {context.Canceled, time.Minute, false},
		"never its turn":          {errBusy, time.Minute, false},
		"no answer in a moment":   {errNoAnswer, 20 * time.Millisecond, false},
		"no answer in a while":    {errNoAnswer, 300 * time.Millisecond, true},
		"refused":                 {&refusal{"E_BAD_TOPIC"}, 0, false},
		"a failure in no time":    {errRefused, 0, true},
		"nsqd that fails itself":  {errors.New("E_PUB_FAILED"), 0, true},
		"nothing, it has done it": {nil, time.Second, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCircuit()
			c.settle(tt.err, tt.took, false, agent.ServerUp)
			require.Equal(t, tt.blame, c.status().State == agent.ServerDown)
		})
	}
}

func TestCircuitLogsWhenAServerGoesAndComesAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := newCircuit()
		c.log = slog.New(slog.NewTextHandler(&log, nil))
		c.settle(nil, 0, false, agent.ServerUp)
		for range 10 {
			c.settle(errRefused, 0, false, agent.ServerUp)
			time.Sleep(time.Second)
			require.True(t, c.claimRested(time.Now()))
			c.settle(nil, 0, true, agent.ServerTrial)
			c.use()
			c.settle(errNoAnswer, time.Second, true, agent.ServerUp)
		}
		time.Sleep(time.Second)
		require.True(t, c.claimRested(time.Now()))
		c.settle(nil, 0, true, agent.ServerUp)
		c.settle(nil, 0, false, agent.ServerUp)

		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], `msg="nsqd is down" server=nsqd:4150 error="connection refused"`)
		require.Contains(t, lines[1], `msg="nsqd is up again" server=nsqd:4150`)
	})
}

// asking is a log handler that asks the circuit for its status.
type asking struct {
	slog.Handler
	circuit *circuit
}

func (h asking) Handle(ctx context.Context, r slog.Record) error {
	h.circuit.status()
	return h.Handler.Handle(ctx, r)
}

func TestCircuitLogsWithoutItsLock(t *testing.T) {
	var log bytes.Buffer
	c := newCircuit()
	c.log = slog.New(asking{slog.NewTextHandler(&log, nil), c})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.settle(errRefused, 0, false, agent.ServerUp)
		c.settle(nil, 0, true, agent.ServerUp)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		require.FailNow(t, "the circuit called the logger with its lock held")
	}
	require.Equal(t, 2, strings.Count(log.String(), "\n"))
}
