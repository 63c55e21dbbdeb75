package nsqoutput_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

func TestOutputKeepsTheContractOfOutputs(t *testing.T) {
	agenttest.TestOutput(t, func(t *testing.T) agenttest.OutputSubject {
		server := nsqdtest.Start(t, nsqdtest.Options{})
		w := &watched{
			Output:    newOutput(t, nsqoutput.Config{Servers: []string{server.Addr()}}),
			server:    server,
			consumers: make(map[string]*nsqdtest.Consumer),
		}
		t.Cleanup(w.stop)
		return agenttest.OutputSubject{
			Output:   w,
			Received: w.received,
			Break:    server.Stop,
			Mend:     func() { require.NoError(t, server.Restart()) },
		}
	})
}

// watched is an output whose topics are consumed.
type watched struct {
	*nsqoutput.Output
	server *nsqdtest.Server

	mu        sync.Mutex
	consumers map[string]*nsqdtest.Consumer // guarded by mu; by topic, nil before the first look
	points    []agenttest.Point             // guarded by mu
}

func (w *watched) Write(ctx context.Context, b agent.Batch) error {
	w.mu.Lock()
	topic := nsqoutput.DefaultTopicPrefix + b.Namespace
	if _, known := w.consumers[topic]; !known {
		w.consumers[topic] = nil
	}
	w.mu.Unlock()
	return w.Output.Write(ctx, b)
}

// received returns what has arrived in the topics that were written to.
func (w *watched) received(tb testing.TB) []agenttest.Point {
	w.mu.Lock()
	defer w.mu.Unlock()
	for topic, consumer := range w.consumers {
		if consumer == nil {
			var err error
			consumer, err = w.server.Consume(topic, "contract")
			require.NoError(tb, err)
			w.consumers[topic] = consumer
		}
		for more := true; more; {
			select {
			case body := <-consumer.Messages:
				points, err := agenttest.DecodeLines(strings.TrimPrefix(topic, nsqoutput.DefaultTopicPrefix), body)
				require.NoError(tb, err)
				w.points = append(w.points, points...)
			default:
				more = false
			}
		}
	}
	return w.points
}

func (w *watched) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, consumer := range w.consumers {
		if consumer != nil {
			consumer.Close()
		}
	}
}
