package nsqoutput

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nsqio/go-nsq"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
)

const (
	// maxConns is how many requests a server handles at a time, each over its
	// own connection.
	maxConns = 8
	// idleTimeout is how long an idle connection may still be used.
	idleTimeout = time.Minute
	// connectTimeout is the limit for connecting and identifying, if Timeout is
	// not shorter. A healthy server takes milliseconds.
	connectTimeout = 2 * time.Second
)

// errBusy means that a request timed out while it waited for a slot.
var errBusy = errors.New("is busy with other requests")

// server is an nsqd and the connections to it.
type server struct {
	addr   string
	cfg    *Config
	health circuit
	slots  chan struct{} // has an element for each request in progress

	mu     sync.Mutex // owns what follows
	idle   []*conn    // the most recently used last
	closed bool
}

func newServer(addr string, cfg *Config) *server {
	return &server{
		addr:   addr,
		cfg:    cfg,
		health: circuit{addr: addr, timeout: cfg.Timeout, log: cfg.Logger, state: agent.ServerUnused, retry: backoff.Backoff{First: shortestRest, Most: longestRest}},
		slots:  make(chan struct{}, maxConns),
	}
}

// publish sends the request. claimed means that the caller has claimed s. The
// claim ends when publish returns.
func (s *server) publish(ctx context.Context, request *nsq.Command, claimed bool) error {
	start := time.Now()
	err := s.send(ctx, request, claimed)
	s.health.settle(err, time.Since(start), claimed, agent.ServerUp)
	if s.health.down() != nil {
		s.closeIdle()
	}
	return err
}

// probe checks whether a server that is down, and claimed, answers again.
func (s *server) probe(ctx context.Context) {
	start := time.Now()
	c, err := s.connect(ctx)
	if err == nil {
		s.put(c)
	}
	s.health.settle(err, time.Since(start), true, agent.ServerTrial)
}

func (s *server) send(ctx context.Context, request *nsq.Command, claimed bool) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return plain(ctx, errBusy)
	}
	if err := s.health.down(); err != nil && !claimed {
		return err // the server went down while the request waited for a slot
	}
	c, used, err := s.take(ctx)
	if err != nil {
		return err
	}
	err = c.publish(ctx, request)
	if used && stale(err) {
		c.close()
		s.closeIdle()
		if c, err = s.connect(ctx); err != nil {
			return err
		}
		err = c.publish(ctx, request)
	}
	s.put(c)
	return err
}

// stale reports whether a reused connection may have failed only because the
// server closed it meanwhile, as a restarted server does.
func stale(err error) bool {
	var r *refusal
	return err != nil && !errors.As(err, &r) && !errors.Is(err, errNoAnswer) && !errors.Is(err, context.Canceled)
}

// take returns an idle connection (used is true) or a new one.
func (s *server) take(ctx context.Context) (c *conn, used bool, err error) {
	if c := s.pop(); c != nil {
		return c, true, nil
	}
	c, err = s.connect(ctx)
	return c, false, err
}

// pop returns the most recently used connection. It does not return one that
// has been idle for long: a firewall may have forgotten it, and a request over
// it would time out.
func (s *server) pop() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	c := s.idle[n-1]
	if time.Since(c.used) > idleTimeout {
		s.closeIdleLocked() // the others have been idle for longer
		return nil
	}
	s.idle = s.idle[:n-1]
	return c
}

func (s *server) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, min(connectTimeout, s.cfg.Timeout))
	defer cancel()
	return open(ctx, s.addr, s.cfg)
}

// put keeps a connection for the next request, or closes it.
func (s *server) put(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.spent || s.closed {
		c.close()
		return
	}
	c.used = time.Now()
	s.idle = append(s.idle, c)
	for c.used.Sub(s.idle[0].used) > idleTimeout {
		s.idle[0].close()
		s.idle = slices.Delete(s.idle, 0, 1)
	}
}

func (s *server) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeIdleLocked()
}

func (s *server) closeIdleLocked() {
	for _, c := range s.idle {
		c.close()
	}
	s.idle = s.idle[:0]
}

// close closes the connections, including those that are put back later.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.closeIdleLocked()
}
