package nsqoutput_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

// Other agents lost such batches: telegraf#9744, telegraf#10130.
func TestWriteSendsWhatNsqdCallsTooBigInSmallerPieces(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 10_000 // 850 kB
	for name, opts := range map[string]nsqdtest.Options{
		"-max-msg-size":  {MaxMessageSize: 64 << 10},
		"-max-body-size": {MaxBodySize: 100_000},
		"both":           {MaxMessageSize: 10_000, MaxBodySize: 30_000},
		"tiny":           {MaxMessageSize: 100, MaxBodySize: 400},
	} {
		for _, format := range []string{nsqoutput.Influx, nsqoutput.JSON} {
			t.Run(name+" "+string(format), func(t *testing.T) {
				if name == "tiny" && format == nsqoutput.JSON {
					t.Skip("no JSON message is that short")
				}
				var log bytes.Buffer
				server := nsqdtest.Start(t, opts)
				out := newOutput(t, nsqoutput.Config{Servers: []string{server.Direct()}, Format: format,
					MaxMessageSize: 512 << 10, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				for range 2 {
					require.NoError(t, out.Write(t.Context(), batch(n)))
				}
				require.Equal(t, agent.ServerUp, out.Servers()[0].State)
				require.LessOrEqual(t, strings.Count(log.String(), "as too big"), 2, "one warning for each limit")

				if format == nsqoutput.Influx {
					want, got := append(lines(n), lines(n)...), server.Lines(t, "collect.ns", 2*n)
					slices.Sort(want)
					slices.Sort(got)
					require.True(t, slices.Equal(want, got))
					return
				}
				points := 0
				for points < 2*n {
					points += strings.Count(string(server.Messages(t, "collect.ns", 1)[0]), `"measurement"`)
				}
				require.Equal(t, 2*n, points)
			})
		}
	}
}

func TestWriteRemembersTheSizeThatNsqdTakes(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{MaxMessageSize: 16 << 10})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}})
	require.NoError(t, out.Write(t.Context(), batch(1000)))
	first := server.Published("collect.ns")
	require.NoError(t, out.Write(t.Context(), batch(1000)))
	require.Equal(t, 2*first, server.Published("collect.ns"), "as many messages, none of them refused first")
}

func TestWriteDropsOnlyThePointThatNsqdCallsTooBigAlone(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{MaxMessageSize: 4 << 10})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}})
	b := batch(600)
	b.Metrics[300] = agent.Metric{Name: "large", Timestamp: 1500000000, Value: strings.Repeat("x", 5000)}
	var permanent *agent.PermanentError
	// nsqd closes the connection without having read the message: its answer may be
	// lost with the reset that follows, and then the agent writes again.
	require.Eventually(t, func() bool { return errors.As(out.Write(t.Context(), b), &permanent) }, 10*time.Second, time.Millisecond)
	require.Equal(t, "too_large", permanent.Reason)
	require.Equal(t, 1, permanent.Points)
	require.ErrorContains(t, permanent, "too big")
	require.GreaterOrEqual(t, len(server.Lines(t, "collect.ns", 599)), 599)
}

func TestPointThatOneServerCallsTooBigGoesToAnother(t *testing.T) {
	narrow := nsqdtest.Start(t, nsqdtest.Options{MaxMessageSize: 1 << 10})
	wide := nsqdtest.Start(t, nsqdtest.Options{})
	for range 8 { // which server is preferred is drawn by lot
		out := newOutput(t, nsqoutput.Config{Servers: []string{narrow.Addr(), wide.Addr()}})
		large := agent.Metric{Name: "large", Timestamp: 1500000000, Value: strings.Repeat("x", 2000)}
		require.NoError(t, out.Write(t.Context(), agent.Batch{Namespace: "ns", Metrics: append(batch(50).Metrics, large)}))
	}
	large := func(line string) bool { return strings.HasPrefix(line, "large") }
	found := 0
	for found < 8 {
		for _, line := range wide.Lines(t, "collect.ns", 1) {
			if large(line) {
				found++
			}
		}
	}
}

func TestWriteHalvesWhereNsqdNamesNoLimit(t *testing.T) {
	const limit = 1000
	sent := make(chan int, 1000) // sizes
	addr := serveScript(t, func(p peer) {
		if !p.identify() {
			return
		}
		for {
			line, size, ok := p.sized()
			if !ok {
				return
			}
			sent <- size
			if size > limit {
				p.answer(1, "E_BAD_"+map[bool]string{true: "MESSAGE", false: "BODY"}[strings.HasPrefix(line, "PUB")]+" too big")
				return
			}
			p.answer(0, "OK")
		}
	})
	out := newOutput(t, nsqoutput.Config{Servers: []string{addr}})
	require.NoError(t, out.Write(t.Context(), batch(200)))
	require.Less(t, len(sent), 60)
	require.Greater(t, <-sent, 8*limit)
}
