package nsqdtest_test

import (
	"net"
	"testing"

	"github.com/nsqio/go-nsq"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent/internal/nsqdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publish sends a message as any client would.
func publish(t *testing.T, s *nsqdtest.Server, cfg *nsq.Config, topic, body string) {
	t.Helper()
	producer, err := nsq.NewProducer(s.Addr(), cfg)
	require.NoError(t, err)
	producer.SetLoggerLevel(nsq.LogLevelMax)
	defer producer.Stop()
	require.NoError(t, producer.Publish(topic, []byte(body)))
}

func TestServerShowsWhatWasPublished(t *testing.T) {
	s := nsqdtest.Start(t, nsqdtest.Options{})
	publish(t, s, nsq.NewConfig(), "t", "one\ntwo\n")
	publish(t, s, nsq.NewConfig(), "t", "three")

	require.EqualValues(t, 2, s.Published("t"))
	require.ElementsMatch(t, []string{"one", "two", "three"}, s.Lines(t, "t", 3))
}

func TestServerKeepsAddressAndMessagesOverARestart(t *testing.T) {
	s := nsqdtest.Start(t, nsqdtest.Options{})
	addr := s.Addr()
	publish(t, s, nsq.NewConfig(), "t", "before")
	s.Stop()
	require.NoError(t, s.Restart())

	require.Equal(t, addr, s.Addr())
	require.Equal(t, "before", string(s.Messages(t, "t", 1)[0]))

	require.NoError(t, s.Restart())
	publish(t, s, nsq.NewConfig(), "t", "after")
	for string(s.Messages(t, "t", 1)[0]) != "after" {
		continue // "before" may come again
	}
}

func TestServerWithTLSAndSecret(t *testing.T) {
	s := nsqdtest.Start(t, nsqdtest.Options{TLS: true, Secret: "s3cret"})
	cfg := nsq.NewConfig()
	cfg.TlsV1, cfg.TlsConfig, cfg.AuthSecret = true, s.ClientTLS(), "s3cret"
	publish(t, s, cfg, "t", "secured")
	require.Equal(t, "secured", string(s.Messages(t, "t", 1)[0]))
}

func TestFrozenServerAnswersWhenItIsThawed(t *testing.T) {
	s := nsqdtest.Start(t, nsqdtest.Options{})
	producer, err := nsq.NewProducer(s.Addr(), nsq.NewConfig())
	require.NoError(t, err)
	producer.SetLoggerLevel(nsq.LogLevelMax)
	defer producer.Stop()
	require.NoError(t, producer.Publish("t", []byte("first")))

	s.Freeze()
	done := make(chan *nsq.ProducerTransaction, 1)
	require.NoError(t, producer.PublishAsync("t", []byte("second"), done))
	require.EqualValues(t, 1, s.Published("t"))
	require.Empty(t, done)

	s.Thaw()
	require.NoError(t, (<-done).Error)
	require.EqualValues(t, 2, s.Published("t"))
}

func TestFrozenServerCanBeStopped(t *testing.T) {
	s := nsqdtest.Start(t, nsqdtest.Options{})
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	s.Freeze()
	s.Stop()
	_, err = net.Dial("tcp", s.Addr())
	require.ErrorContains(t, err, "refused")
}
