package nsqoutput

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
)

const (
	// A server that failed is not used for a time that doubles from shortestRest
	// to longestRest. Even after the longest a recovery is noticed within 2 s.
	shortestRest = 100 * time.Millisecond
	longestRest  = time.Second
	// hurry is how long a server must be silent before a request with less time
	// than Timeout counts as its failure.
	hurry = 250 * time.Millisecond
)

// The states of a server, as [agent.ServerDetails] has them.
const (
	// Unused: no request has been sent to it yet.
	Unused = "unused"
	// Up: its last request succeeded.
	Up = "up"
	// Down: it failed. It is retried after a pause.
	Down = "down"
	// Trial: it failed and answers again. One request at a time goes to it
	// until one succeeds.
	Trial = "trial"
)

// circuit tracks a server's health and decides which requests may go to it.
//
//	unused ──► up ◄───────── trial
//	   │       │ ▲            │ ▲
//	   └──────►▼ │ a request  ▼ │ a probe
//	          down ─────────────┘
//
// A request to a server that is not up claims it first, so that the server
// delays one request at a time.
type circuit struct {
	addr    string
	timeout time.Duration
	log     *slog.Logger

	mu      sync.Mutex // owns what follows
	state   string
	since   time.Time
	err     error // the last failure
	retry   backoff.Backoff
	rested  time.Time // when it may be tried, while down
	claimed bool
}

func (c *circuit) status() agent.ServerDetails {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := agent.ServerDetails{Address: c.addr, State: c.state, Since: c.since}
	if c.err != nil {
		status.LastError = c.err.Error()
	}
	return status
}

// working tells whether any number of requests may go to the server.
func (c *circuit) working() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == Unused || c.state == Up
}

// available tells whether the server is worth some of a request's time.
func (c *circuit) available(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != Down || c.claimed || !now.Before(c.rested)
}

// use tells whether a request may go to the server as one that is up or on
// trial; in the latter case it is now claimed.
func (c *circuit) use() (ok, claimed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == Unused || c.state == Up:
		return true, false
	case c.state == Trial && !c.claimed:
		c.claimed = true
		return true, true
	}
	return false, false
}

// claimRested claims the server if it is down and has rested.
func (c *circuit) claimRested(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Down || c.claimed || now.Before(c.rested) {
		return false
	}
	c.claimed = true
	return true
}

// down returns the failure because of which the server is down, or nil.
func (c *circuit) down() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Down {
		return c.err
	}
	return nil
}

// downFor tells whether the server has been down for at least d.
func (c *circuit) downFor(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == Down && time.Since(c.since) >= d
}

// excuse says why the server was not tried.
func (c *circuit) excuse() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.claimed:
		return errors.New("another request is trying it")
	case c.state == Down:
		return fmt.Errorf("%w (retried in %v)", c.err, max(0, time.Until(c.rested)).Round(time.Millisecond))
	}
	return errors.New("was not tried")
}

// settle notes how a request or a probe went, logs a change of the state, and
// ends the claim if there was one. good is the state if all is well.
func (c *circuit) settle(err error, took time.Duration, claimed bool, good string) {
	switch was, is := c.note(err, took, claimed, good); {
	case was == is:
	case is == Down && was != Trial:
		c.log.Warn("nsqd is down", slog.String("server", c.addr), slog.Any("error", err))
	case is == Up && was != Unused:
		c.log.Info("nsqd is up again", slog.String("server", c.addr))
	}
}

// note is settle without the log: a handler may ask for the status.
func (c *circuit) note(err error, took time.Duration, claimed bool, good string) (was, is string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was = c.state
	if claimed {
		c.claimed = false
	}
	var r *refusal
	switch {
	case err == nil || errors.As(err, &r):
		c.becomeLocked(good)
	case errors.Is(err, context.Canceled), errors.Is(err, errBusy),
		errors.Is(err, errNoAnswer) && took < min(c.timeout, hurry):
		// That says nothing about the server.
	case claimed || c.state != Down:
		c.err = err
		c.rested = time.Now().Add(c.retry.Next())
		c.becomeLocked(Down)
	}
	return was, c.state
}

func (c *circuit) becomeLocked(state string) {
	if state == Up {
		c.retry.Reset()
	}
	if c.state == state {
		return
	}
	c.state, c.since = state, time.Now()
}
