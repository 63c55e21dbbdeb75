package statsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/waitgroup"
)

const (
	// maxPacket bounds a packet, in bytes. A packet of UDP cannot be larger.
	maxPacket = 1 << 16
	// packetSpace is the space for one. A larger packet is cut, and fills it.
	packetSpace = maxPacket + 1
	// drainTimeout bounds how long a stop reads what clients send meanwhile.
	drainTimeout = 100 * time.Millisecond
	// drainPause is how long a stop waits for another packet.
	drainPause = time.Millisecond
)

// Agent takes the metrics. [agent.Agent] is one.
type Agent interface {
	Namespaces() []string
	Post(ctx context.Context, namespace string, metrics []agent.Metric) error
}

// Config says what becomes of the samples.
type Config struct {
	// Agent returns the agent that takes the metrics now.
	Agent func() Agent
	// Namespace is where the metrics go. Empty: to the host's only one.
	Namespace string
	// Interval is how often metrics are sent. Zero: 10 s.
	Interval time.Duration
	// Logger for what is wrong. Required.
	Logger *slog.Logger
}

// Server gathers the samples that arrive at a socket. Make one with [Start].
type Server struct {
	config   Config
	socket   *Socket
	gatherer *gatherer

	stopping context.Context // ends when Stop is called
	stop     context.CancelFunc
	sending  context.Context // ends when Stop has no more time
	giveUp   context.CancelFunc
	reader   sync.WaitGroup
	flusher  sync.WaitGroup

	mu       sync.Mutex
	status   agent.StatsdStatus // guarded by mu; what the gatherer does not count
	problems []problem          // guarded by mu
	reported reported           // guarded by mu

	cut error // of the flush that Stop has ended; read when flusher has ended
}

// Start starts a server on the socket, which stays the caller's and is open.
func Start(socket *Socket, config Config) *Server {
	if config.Interval == 0 {
		config.Interval = 10 * time.Second
	}
	s := &Server{config: config, socket: socket, gatherer: newGatherer(time.Now())}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.sending, s.giveUp = context.WithCancel(context.Background())
	_ = socket.conn.SetReadDeadline(time.Time{}) // reading fails if this does
	s.reader.Go(func() { s.read(socket.packets) })
	s.flusher.Go(s.flushRegularly)
	return s
}

// Stop reads what has arrived, sends what was gathered, and returns once that is safe. If
// ctx ends before, or nobody knows where to send it, it returns an error, and what is left is
// lost.
func (s *Server) Stop(ctx context.Context) error {
	defer s.giveUp()
	s.stop()
	_ = s.socket.conn.SetReadDeadline(time.Now()) // a closed socket has ended the reader
	s.reader.Wait()
	if waitgroup.Wait(ctx, &s.flusher) != nil {
		s.giveUp()
		s.flusher.Wait()
	}
	if err := errors.Join(s.cut, s.flush(ctx)); err != nil {
		return fmt.Errorf("stop statsd: what it has gathered is lost: %w", err)
	}
	return nil
}

// read reads packets until the server stops.
func (s *Server) read(packets *batch) {
	for {
		err := s.readOnce(packets)
		switch {
		case err == nil:
		case s.stopping.Err() != nil:
			s.drain(packets)
			return
		case errors.Is(err, net.ErrClosed):
			return
		default:
			s.replace([]string{wrongSocket}, []problem{{wrongSocket, fmt.Sprintf("read packets: %v", err)}})
			backoff.Pause(s.stopping, time.Second)
		}
	}
}

// readOnce waits for packets and gathers them.
func (s *Server) readOnce(packets *batch) error {
	n, err := packets.read()
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range n {
		s.gatherer.packet(packets.packet(i), now)
	}
	return nil
}

// drain reads what waits in the kernel's buffer.
func (s *Server) drain(packets *batch) {
	for end := time.Now().Add(drainTimeout); time.Now().Before(end); {
		_ = s.socket.conn.SetReadDeadline(time.Now().Add(drainPause)) // reading fails if this does
		if s.readOnce(packets) != nil {
			return
		}
	}
}
