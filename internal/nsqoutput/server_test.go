package nsqoutput

import (
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lodastack/agent"
	"github.com/nsqio/go-nsq"
	"github.com/stretchr/testify/require"
)

// unreachable is the address of a server that a test must not connect to.
const unreachable = "127.0.0.1:1"

func newTestServer() *server {
	cfg := Config{Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	return newServer(unreachable, &cfg)
}

func TestConnectionThatWasIdleForLongIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer()
		older, far := net.Pipe()
		newer, _ := net.Pipe()
		s.put(&conn{net: older})
		time.Sleep(30 * time.Second)
		s.put(&conn{net: newer})

		time.Sleep(idleTimeout)
		c := s.pop()
		require.NotNil(t, c)
		require.Equal(t, newer, c.net)
		s.put(c)
		time.Sleep(idleTimeout + time.Second)
		require.Nil(t, s.pop())
		_, err := far.Read(make([]byte, 1))
		require.Error(t, err, "the connections are closed")
	})
}

func TestWaitingRequestIsNotSentToAServerThatWentDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer()
		for range maxConns {
			s.slots <- struct{}{}
		}
		sent := make(chan error, 1)
		go func() { sent <- s.send(t.Context(), nsq.Publish("t", []byte("x")), false) }()
		synctest.Wait()
		s.health.settle(errNoAnswer, time.Second, false, agent.ServerUp)
		<-s.slots
		require.Equal(t, errNoAnswer, <-sent, "the failure of the others, not one of its own")
	})
}
