package nsqoutput_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newOutput returns an Output that is closed when the test ends.
func newOutput(tb testing.TB, cfg nsqoutput.Config) *nsqoutput.Output {
	tb.Helper()
	cfg.TopicPrefix = nsqoutput.DefaultTopicPrefix
	out, err := nsqoutput.New(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, out.Close(tb.Context())) })
	return out
}

// batch returns n points of the namespace ns.
func batch(n int) agent.Batch {
	b := agent.Batch{Namespace: "ns"}
	for i := range n {
		b.Metrics = append(b.Metrics, agent.Metric{
			Name:      fmt.Sprintf("m%d", i),
			Timestamp: 1500000000,
			Tags:      map[string]string{"host": "web-1.example.com", "interface": "eth0", "rack": "r17"},
			Value:     float64(i) + 0.5,
		})
	}
	return b
}

// lines returns the points of batch(n) in line protocol.
func lines(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("m%d,host=web-1.example.com,interface=eth0,rack=r17 value=%g 1500000000", i, float64(i)+0.5))
	}
	return lines
}

func TestWritePublishesABatchAsOneMessageOfLineProtocol(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}})

	require.NoError(t, out.Write(t.Context(), batch(100)))

	require.EqualValues(t, 1, server.Published("collect.ns"))
	require.Equal(t, lines(100), server.Lines(t, "collect.ns", 100))
}

func TestEachRequestIsLoggedAtDebugLevel(t *testing.T) {
	var log bytes.Buffer
	server := nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, out.Write(t.Context(), batch(3)))
	require.Regexp(t, `level=DEBUG msg="points published" topic=collect.ns points=3 messages=1 bytes=\d+`, log.String())
}

func TestWritePublishesWhatTheRouterReads(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}, Format: nsqoutput.JSON})
	require.NoError(t, out.Write(t.Context(), agent.Batch{Namespace: "ns", Metrics: []agent.Metric{
		{Name: "cpu.idle", Timestamp: 1500000000, Tags: map[string]string{"host": "h", "core": "0"}, Value: 99.5},
		{Name: "mem.total", Timestamp: 1500000000, Value: 2e22},
		{Name: "up", Timestamp: 1500000001, Tags: map[string]string{}, Value: true},
		{Name: "say", Timestamp: 1500000001, Value: "\"hi\"\n"},
	}}))
	require.Equal(t, `{"database":"collect.ns","retentionPolicy":"default","precision":"s","points":[`+
		`{"measurement":"cpu.idle","timestamp":1500000000,"tags":{"core":"0","host":"h"},"fields":{"value":99.5}},`+
		`{"measurement":"mem.total","timestamp":1500000000,"tags":{},"fields":{"value":2e+22}},`+
		`{"measurement":"up","timestamp":1500000001,"tags":{},"fields":{"value":true}},`+
		`{"measurement":"say","timestamp":1500000001,"tags":{},"fields":{"value":"\"\\\"hi\\\"\u000a\""}}]}`,
		string(server.Messages(t, "collect.ns", 1)[0]))
}

func TestWriteSplitsALargeBatchIntoMessagesAndRequests(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{MaxMessageSize: 512 << 10})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}, MaxMessageSize: 512 << 10})
	const n = 100_000 // 8 MB, more than one request of nsqd's 5 MiB
	require.NoError(t, out.Write(t.Context(), batch(n)))
	require.Less(t, server.Published("collect.ns"), uint64(20))
	want, got := lines(n), server.Lines(t, "collect.ns", n)
	slices.Sort(want)
	slices.Sort(got)
	require.True(t, slices.Equal(want, got))
}

func TestWriteWritesTheOthersWhenAPointIsTooLarge(t *testing.T) {
	server := nsqdtest.Start(t, nsqdtest.Options{})
	out := newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}, MaxMessageSize: 4 << 10})
	large := agent.Metric{Name: "large", Value: strings.Repeat("x", 4<<10)}

	b := batch(3)
	b.Metrics = append(b.Metrics, large)
	var permanent *agent.PermanentError
	require.ErrorAs(t, out.Write(t.Context(), b), &permanent)
	require.Equal(t, "too_large", permanent.Reason)
	require.Equal(t, 1, permanent.Points)
	require.ErrorContains(t, permanent, "point large needs a message of")
	require.Equal(t, lines(3), server.Lines(t, "collect.ns", 3))
}

func TestWriteRefusesANamespaceThatMakesNoTopicWithoutAskingNsqd(t *testing.T) {
	addr := serveScript(t, func(peer) { t.Error("somebody has connected") })
	out := newOutput(t, nsqoutput.Config{Servers: []string{addr}})
	for _, ns := range []string{"a b", "ä", "a/b", "ns#ephemeral", "\x00", strings.Repeat("n", 57)} {
		err := out.Write(t.Context(), agent.Batch{Namespace: ns, Metrics: batch(1).Metrics})
		var permanent *agent.PermanentError
		require.ErrorAs(t, err, &permanent, ns)
		require.Equal(t, "bad_topic", permanent.Reason)
		require.ErrorContains(t, err, "namespace")
	}
}
