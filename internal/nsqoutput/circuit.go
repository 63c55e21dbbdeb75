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
	// After a failure a server is not used for a pause that doubles from
	// shortestRest to longestRest. Even the longest pause leaves time to notice
	// a recovery within 2 s.
	shortestRest = 100 * time.Millisecond
	longestRest  = time.Second
	// hurry is how long a server must be silent to fail a request that has less
	// time than Timeout.
	hurry = 250 * time.Millisecond
)

// circuit tracks a server's health and decides which requests may go to it.
//
//	unused ──► up ◄───────── trial
//	   │       │ ▲            │ ▲
//	   └──────►▼ │ a request  ▼ │ a probe
//	          down ─────────────┘
//
// A request to a server that is not up must claim it first. So the server
// delays only one request at a time.
type circuit struct {
	addr    string
	timeout time.Duration
	log     *slog.Logger

	mu      sync.Mutex // guards the following fields
	state   string
	since   time.Time
	err     error // the last failure
	retry   backoff.Backoff
	rested  time.Time // while down: when it may be tried
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

// working reports whether any number of requests may go to the server.
func (c *circuit) working() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == agent.ServerUnused || c.state == agent.ServerUp
}

// available reports whether a request should reserve some of its time for the
// server.
func (c *circuit) available(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != agent.ServerDown || c.claimed || !now.Before(c.rested)
}

// use reports whether a request may go to the server because it is up or on
// trial. If it is on trial, the request has claimed it.
func (c *circuit) use() (ok, claimed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == agent.ServerUnused || c.state == agent.ServerUp:
		return true, false
	case c.state == agent.ServerTrial && !c.claimed:
		c.claimed = true
		return true, true
	}
	return false, false
}

// claimRested claims the server if it is down and its pause is over.
func (c *circuit) claimRested(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != agent.ServerDown || c.claimed || now.Before(c.rested) {
		return false
	}
	c.claimed = true
	return true
}

// down returns why the server is down, or nil.
func (c *circuit) down() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == agent.ServerDown {
		return c.err
	}
	return nil
}

// downFor reports whether the server has been down for at least d.
func (c *circuit) downFor(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == agent.ServerDown && time.Since(c.since) >= d
}

// excuse returns why the server was not tried.
func (c *circuit) excuse() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.claimed:
		return errors.New("another request is trying it")
	case c.state == agent.ServerDown:
		return fmt.Errorf("%w (retried in %v)", c.err, max(0, time.Until(c.rested)).Round(time.Millisecond))
	}
	return errors.New("was not tried")
}

// settle records the result of a request or a probe, logs a change of the
// state, and ends the claim, if any. good is the new state after a success.
func (c *circuit) settle(err error, took time.Duration, claimed bool, good string) {
	switch was, is := c.note(err, took, claimed, good); {
	case was == is:
	case is == agent.ServerDown && was != agent.ServerTrial:
		c.log.Warn("nsqd is down", slog.String("server", c.addr), slog.Any("error", err))
	case is == agent.ServerUp && was != agent.ServerUnused:
		c.log.Info("nsqd is up again", slog.String("server", c.addr))
	}
}

// note is settle without the log, because a log handler may ask for the status.
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
		// This says nothing about the server.
	case claimed || c.state != agent.ServerDown:
		c.err = err
		c.rested = time.Now().Add(c.retry.Next())
		c.becomeLocked(agent.ServerDown)
	}
	return was, c.state
}

func (c *circuit) becomeLocked(state string) {
	if state == agent.ServerUp {
		c.retry.Reset()
	}
	if c.state == state {
		return
	}
	c.state, c.since = state, time.Now()
}
