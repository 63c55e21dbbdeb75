package nsqoutput_test

import (
	"fmt"
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
