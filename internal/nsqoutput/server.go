package nsqoutput

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	// maxConns is how many requests one server works on at a time.
	maxConns = 4
	// connectTimeout bounds connecting and introducing, where Timeout does
	// not: a healthy server takes milliseconds.
	connectTimeout = 2 * time.Second
	// A server that failed is left alone for a time that doubles from one to
	// the other. Even with the longest a recovery is seen within 2 s.
	shortestRest = 100 * time.Millisecond
	longestRest  = time.Second
)

// State tells how a server is doing.
type State string

// The states of a server.
const (
	// Unused: nothing has been asked of it yet.
	Unused State = "unused"
	// Up: it did what it was last asked for.
	Up State = "up"
	// Down: it failed. It is left alone for a short time, then tried.
	Down State = "down"
	// Trial: it failed and answers again. One request at a time goes to it
	// until one succeeds.
	Trial State = "trial"
)

// ServerStatus is what is known of a server.
type ServerStatus struct {
	Address string `json:"address"`
	State   State  `json:"state"`
	// LastError is the last failure; it stays when the server is up again.
	LastError string `json:"last_error,omitempty"`
	// Since is when State became what it is. Zero while Unused.
	Since time.Time `json:"since,omitzero"`
}

// server is an nsqd, what is known of its health, and connections to it.
//
//	unused ──► up ◄──── trial
//	   │       │  ▲       ▲ │
//	   └──────►▼  │ tried │ ▼
//	          down ───────┘
//
// A server is claimed by whoever tries it while it is not up, so that only
// one request at a time may suffer.
type server struct {
	addr string
	cfg  *Config
	// slots has an element for each request that is under way.
	slots chan struct{}

	mu       sync.Mutex // owns what follows
	state    State
	since    time.Time
	lastErr  error
	failures int       // in a row
	rested   time.Time // when a server that is down may be tried
	claimed  bool
	idle     []*conn // last used at the end
	closed   bool
}

func newServer(addr string, cfg *Config) *server {
	return &server{addr: addr, cfg: cfg, state: Unused, slots: make(chan struct{}, maxConns)}
}

func (s *server) status() ServerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := ServerStatus{Address: s.addr, State: s.state, Since: s.since}
	if s.lastErr != nil {
		status.LastError = s.lastErr.Error()
	}
	return status
}

// usable tells whether a request may go to s, which is up or on trial. In the
// latter case it is claimed.
func (s *server) usable() (ok, claimed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case Unused, Up:
		return true, false
	case Trial:
		if !s.claimed {
			s.claimed = true
			return true, true
		}
	}
	return false, false
}

// claimRested claims s if it is down and has rested.
func (s *server) claimRested(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != Down || s.claimed || now.Before(s.rested) {
		return false
	}
	s.claimed = true
	return true
}

// publish sends cmd. claimed says that the caller has claimed s.
func (s *server) publish(ctx context.Context, cmd *nsq.Command, claimed bool) error {
	err := s.send(ctx, cmd, claimed)
	s.settle(ctx, err, claimed, Up)
	return err
}

// probe finds out whether a server that is claimed answers again.
func (s *server) probe(ctx context.Context) {
	c, err := s.connect(ctx)
	if err == nil {
		s.put(c)
	}
	s.settle(ctx, err, true, Trial)
}

func (s *server) send(ctx context.Context, cmd *nsq.Command, claimed bool) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return plain(ctx, ctx.Err())
	}
	c, reused, err := s.take(ctx, claimed)
	if err != nil {
		return err
	}
	err = c.publish(ctx, cmd)
	if err != nil && reused && !answered(err) && ctx.Err() == nil {
		// The server has hung up at some time since the connection was last
		// used, as one that was started anew has.
		c.close()
		s.closeIdle()
		if c, err = s.connect(ctx); err != nil {
			return err
		}
		err = c.publish(ctx, cmd)
	}
	s.put(c)
	return err
}

// errDown is that of a request that waited for a server until it went down.
var errDown = errors.New("went down")

// take returns an idle connection or a new one.
func (s *server) take(ctx context.Context, claimed bool) (c *conn, reused bool, err error) {
	s.mu.Lock()
	if s.state == Down && !claimed {
		defer s.mu.Unlock()
		return nil, false, s.lastErr
	}
	if n := len(s.idle); n > 0 {
		c = s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, true, nil
	}
	s.mu.Unlock()
	c, err = s.connect(ctx)
	return c, false, err
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
	s.idle = append(s.idle, c)
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
	s.idle = nil
}

// close closes the connections, also those that come back later.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.closeIdleLocked()
}

// settle draws the conclusion from a request's or probe's result; good is
// the state if it succeeded.
func (s *server) settle(ctx context.Context, err error, claimed bool, good State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if claimed {
		s.claimed = false
	}
	switch {
	case err == nil || answered(err):
		s.toLocked(good)
	case errors.Is(ctx.Err(), context.Canceled):
		// The caller has given up, which says nothing of the server.
	case claimed || s.state != Down:
		s.lastErr = err
		s.failures++
		s.rested = time.Now().Add(rest(s.failures))
		s.closeIdleLocked()
		s.toLocked(Down)
	}
}

func (s *server) toLocked(state State) {
	if state == Up {
		s.failures = 0
	}
	if s.state == state {
		return
	}
	switch {
	case state == Down && s.state != Trial:
		s.cfg.Logger.Warn("nsqd takes no points", slog.String("server", s.addr), slog.Any("error", s.lastErr))
	case state == Up && s.state != Unused:
		s.cfg.Logger.Info("nsqd takes points again", slog.String("server", s.addr))
	}
	s.state, s.since = state, time.Now()
}

// rest is how long a server that failed so many times in a row is left
// alone. Agents that lost it together do not come back together.
func rest(failures int) time.Duration {
	longest := longestRest
	if failures < 5 {
		longest = min(longest, shortestRest<<(failures-1))
	}
	return longest/2 + rand.N(longest/2)
}

// answered tells whether err is nsqd's own refusal of a request, which shows
// that it works.
func answered(err error) bool {
	var refusal nsq.ErrProtocol
	return errors.As(err, &refusal)
}
