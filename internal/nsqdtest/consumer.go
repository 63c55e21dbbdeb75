package nsqdtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"
	"github.com/stretchr/testify/require"
)

// patience is how long Messages and Lines wait.
const patience = 20 * time.Second

// Consumer receives the messages of a topic. It continues after a restart of
// the server.
type Consumer struct {
	// Messages has the body of each message. Receiving a message acknowledges
	// it.
	Messages <-chan []byte

	consumer *nsq.Consumer
	stop     chan struct{}
}

// Consume receives the messages of a topic through one of its channels.
func (s *Server) Consume(topic, channel string) (*Consumer, error) {
	cfg := nsq.NewConfig()
	cfg.LookupdPollInterval = 50 * time.Millisecond // the pause before reconnecting
	cfg.MaxInFlight = 200
	cfg.OutputBufferTimeout = 25 * time.Millisecond // the shortest that nsqd allows, so that tests do not wait
	cfg.DialTimeout = 5 * time.Second
	cfg.AuthSecret = s.opts.Secret
	if tls := s.ClientTLS(); tls != nil {
		cfg.TlsV1, cfg.TlsConfig = true, tls
	}
	consumer, err := nsq.NewConsumer(topic, channel, cfg)
	if err != nil {
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	consumer.SetLogger(quiet{}, nsq.LogLevelMax)
	messages := make(chan []byte)
	c := &Consumer{Messages: messages, consumer: consumer, stop: make(chan struct{})}
	consumer.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		select {
		case messages <- m.Body:
			return nil
		case <-c.stop:
			m.RequeueWithoutBackoff(0)
			return nil
		}
	}))
	if err := consumer.ConnectToNSQD(s.Addr()); err != nil {
		consumer.Stop()
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	return c, nil
}

// Close disconnects and waits for that. It is called once.
func (c *Consumer) Close() {
	close(c.stop)
	c.consumer.Stop()
	<-c.consumer.StopChan
}

// Messages returns the bodies of the next n messages of the topic. If they do
// not come, it fails the test. After a restart of the server, a message may
// come again.
func (s *Server) Messages(tb testing.TB, topic string, n int) [][]byte {
	tb.Helper()
	c := s.consumerOf(tb, topic)
	timeout := time.After(patience)
	bodies := make([][]byte, 0, n)
	for len(bodies) < n {
		select {
		case body := <-c.Messages:
			bodies = append(bodies, body)
		case <-timeout:
			require.FailNowf(tb, "messages are missing", "topic %s: %d of %d", topic, len(bodies), n)
		}
	}
	return bodies
}

// Lines returns the lines of the next messages of the topic, at least n. If
// they do not come, it fails the test. In line protocol a line is a point.
func (s *Server) Lines(tb testing.TB, topic string, n int) []string {
	tb.Helper()
	c := s.consumerOf(tb, topic)
	timeout := time.After(patience)
	lines := make([]string, 0, n)
	for len(lines) < n {
		select {
		case body := <-c.Messages:
			for line := range strings.Lines(string(body)) {
				lines = append(lines, strings.TrimSuffix(line, "\n"))
			}
		case <-timeout:
			require.FailNowf(tb, "lines are missing", "topic %s: %d of %d", topic, len(lines), n)
		}
	}
	return lines
}

// consumerOf returns the consumer of Messages and Lines.
func (s *Server) consumerOf(tb testing.TB, topic string) *Consumer {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.consumers[topic]
	if !ok {
		var err error
		c, err = s.Consume(topic, "nsqdtest")
		require.NoError(tb, err)
		s.consumers[topic] = c
	}
	return c
}
