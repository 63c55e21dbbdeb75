package nsqoutput

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nsqio/go-nsq"

	"github.com/lodastack/agent/internal/backoff"
)

const (
	// maxConns is how many requests one server works on at a time, each over
	// a connection of its own.
	maxConns = 8
	// idleTimeout is how long an idle connection may still be used.
	idleTimeout = time.Minute
	// connectTimeout bounds connecting and introducing, where Timeout does
	// not: a healthy server takes milliseconds.
	connectTimeout = 2 * time.Second
)

// errBusy is the error of a request that timed out while it waited for a slot.
var errBusy = errors.New("is busy with other requests")

// server is an nsqd and the connections to it.
type server struct {
	addr   string
	cfg    *Config
	health circuit
	slots  chan struct{} // has an element for each request under way

	mu     sync.Mutex // owns what follows
	idle   []*conn    // the last used at the end
	closed bool
}

func newServer(addr string, cfg *Config) *server {
	return &server{
		addr:   addr,
		cfg:    cfg,
		health: circuit{addr: addr, timeout: cfg.Timeout, log: cfg.Logger, state: Unused, retry: backoff.Backoff{First: shortestRest, Most: longestRest}},
		slots:  make(chan struct{}, maxConns),
	}
}

// publish sends the request. claimed tells that the caller has claimed s,
// which is over when publish returns.
func (s *server) publish(ctx context.Context, request *nsq.Command, claimed bool) error {
	start := time.Now()
	err := s.send(ctx, request, claimed)
	s.health.settle(err, time.Since(start), claimed, Up)
	if s.health.down() != nil {
		s.closeIdle()
	}
	return err
}

// probe finds out whether a server that is down, and claimed, answers again.
func (s *server) probe(ctx context.Context) {
	start := time.Now()
	c, err := s.connect(ctx)
	if err == nil {
		s.put(c)
	}
	s.health.settle(err, time.Since(start), true, Trial)
}

func (s *server) send(ctx context.Context, request *nsq.Command, claimed bool) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return plain(ctx, errBusy)
	}
	if err := s.health.down(); err != nil && !claimed {
		return err // it went down while the request waited for a slot
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

// stale tells whether a connection that was used before may have failed only
// because the server had hung up meanwhile, as one does that is started anew.
func stale(err error) bool {
	var r *refusal
	return err != nil && !errors.As(err, &r) && !errors.Is(err, errNoAnswer) && !errors.Is(err, context.Canceled)
}

// take returns an idle connection, which was used before, or a new one.
func (s *server) take(ctx context.Context) (c *conn, used bool, err error) {
	if c := s.pop(); c != nil {
		return c, true, nil
	}
	c, err = s.connect(ctx)
	return c, false, err
}

// pop returns the connection that was used last. One that has been idle for
// long is not used: a firewall on the way may have forgotten it, and a request
// over it would wait for an answer until its timeout.
func (s *server) pop() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	c := s.idle[n-1]
	if time.Since(c.used) > idleTimeout {
		s.closeIdleLocked() // the others have been idle even longer
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

// close closes the connections, also those that are put back later.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.closeIdleLocked()
}
