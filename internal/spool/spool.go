// Package spool keeps points on disk while an output does not take them.
//
//	         acknowledged
//	Write ───────────────────────────────► inner output
//	  │                                        ▲
//	  │ fails, lags or is down                 │ one write at a time
//	  ▼                                        │
//	committer ──► segment … segment ──► drainer ┘
//	  one transaction for all who wait    oldest first
//
// While the inner output acknowledges, nothing is written to disk. When it
// fails, a batch goes into the newest segment and Write returns once it is
// synced. New points are not held up by old ones: they go to the inner output
// as soon as it is back, while the drainer works off the backlog beside them.
//
// # On disk
//
//	lock                          one process owns the directory
//	18a3f0c2d4e5b6a7.db           a segment: a bbolt file of a few MiB
//	18a3f0c2d4e5b6a7.sum          how many points a sealed segment holds, and
//	                              how far it is drained; never relied on
//	18a3….db.damaged-1753000000   could not be read, kept for inspection
//
// A segment is written by one goroutine and then sealed; a sealed segment is
// never changed, is drained, and is removed. An acknowledged block is whole
// on disk: bbolt syncs its pages before the page that refers to them, and the
// directory is synced before the first block. After a crash the blocks that
// were delivered since the last summary, of one second at most, are delivered
// again. What a torn or flipped byte makes unreadable is noticed by checksums
// and counted as dropped; it is never delivered and never keeps the spool
// from opening.
package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lodastack/agent"
)

// Config of a spool. Only Dir must be set.
type Config struct {
	// Dir is a directory that belongs to this spool alone. It is made if it
	// is not there.
	Dir string
	// MaxSize bounds the files of undelivered points, in bytes; the oldest
	// are dropped first. Zero stands for 1 GiB; less than 1 MiB is raised to
	// that. Up to three damaged files come on top.
	MaxSize int64
	// MaxAge bounds how long points wait. They are dropped when they are
	// between 1 and 9/8 of it old. Zero stands for 7 days.
	MaxAge time.Duration
	// WriteTimeout is how long the inner output may take for a live batch
	// before the batch goes to disk. Zero stands for 1 s. It should be longer
	// than the inner output's own way around a dead server.
	WriteTimeout time.Duration
	// DrainRate bounds how many points of the backlog are delivered in a
	// second. At zero, the bound is that only one write of the backlog, of at
	// most 1000 points, is under way at a time.
	DrainRate int
	// Logger is told when the output goes down and comes back, and what goes
	// wrong with the files. Nil: nobody is.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxSize == 0 {
		c.MaxSize = 1 << 30
	}
	c.MaxSize = max(c.MaxSize, 1<<20)
	if c.MaxAge == 0 {
		c.MaxAge = 7 * 24 * time.Hour
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// ErrClosed is returned by Write after Close.
var ErrClosed = errors.New("spool: closed")

// Spool is an [agent.Output] around another. Its methods may be called
// concurrently.
type Spool struct {
	inner        agent.Output
	writeTimeout time.Duration
	rate         int
	log          *slog.Logger
	lock         *os.File

	ledger  ledger
	circuit circuit
	queue   *queue

	requests  chan *request
	free      sync.Pool // of *request
	committed chan struct{}

	// back holds a token once a live write was taken after an outage.
	back    chan struct{}
	drained chan struct{}
	// stopped ends the drainer's write that is under way.
	stopped   context.Context
	stop      context.CancelFunc
	stopDrain context.CancelFunc

	mu       sync.Mutex
	closed   bool           // guarded by mu
	writes   sync.WaitGroup // the Writes under way; none is added once closed
	finished chan struct{}  // Close is done
	closeErr error          // set before finished is closed
}

var (
	_ agent.Output          = (*Spool)(nil)
	_ agent.Keeper          = (*Spool)(nil)
	_ agent.OutputInspector = (*Spool)(nil)
)

// Open makes an output that spools what inner does not take, and goes on with
// what it finds in the directory. The spool owns inner from then on. It is an
// error if another process, or another spool, uses the directory, or if it
// cannot be used; damaged files are not (see [Spool.Status]).
func Open(c Config, inner agent.Output) (*Spool, error) {
	if c.Dir == "" {
		return nil, errors.New("spool: no directory is configured")
	}
	c = c.withDefaults()
	if err := makeDir(c.Dir); err != nil {
		return nil, fmt.Errorf("make spool directory %s: %w", c.Dir, err)
	}
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{
		inner: inner, writeTimeout: c.WriteTimeout, rate: c.DrainRate, log: c.Logger, lock: lock,
		ledger:    ledger{accounts: map[string]*agent.Account{}},
		requests:  make(chan *request, requestBacklog),
		committed: make(chan struct{}),
		back:      make(chan struct{}, 1),
		drained:   make(chan struct{}),
		finished:  make(chan struct{}),
	}
	s.queue = newQueue(c, &s.ledger)
	if err := s.queue.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	draining, stopDrain := context.WithCancel(s.stopped)
	s.stopDrain = stopDrain
	go s.commit()
	go s.drain(draining)
	return s, nil
}

// Write returns nil once the inner output has taken b, or b is synced to
// disk. An error of the inner output that is permanent is returned as it is;
// any other error says that b is neither delivered nor on disk (a full disk,
// say) and may be tried again.
//
// When ctx ends before b is on its way to the disk, b is not kept and Write
// returns an error. To leave time for the disk, the inner output gets no more
// than half of the time until ctx's deadline.
func (s *Spool) Write(ctx context.Context, b agent.Batch) error {
	if !s.begin() {
		return ErrClosed
	}
	defer s.writes.Done()
	started := time.Now()
	if !s.circuit.admits(started) && s.ledger.waits() > 0 {
		return s.store(ctx, b)
	}
	err := s.pass(ctx, b, started)
	if err == nil || isPermanent(err) || ctx.Err() != nil {
		return err
	}
	if full := s.store(ctx, b); full != nil {
		return fmt.Errorf("%w; output: %w", full, err)
	}
	return nil
}

// begin counts a Write as under way, unless the spool is closed.
func (s *Spool) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.writes.Add(1)
	}
	return !s.closed
}

// pass gives b to the inner output.
func (s *Spool) pass(ctx context.Context, b agent.Batch, started time.Time) error {
	limit := s.writeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, deadline.Sub(started)/2)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := s.inner.Write(limited, b)
	var permanent *agent.PermanentError
	switch {
	case err == nil:
		s.ledger.passed(b.Namespace, int64(len(b.Metrics)))
		s.up(started)
	case errors.As(err, &permanent):
		s.ledger.passed(b.Namespace, int64(len(b.Metrics)-permanent.Refused(b)))
	case ctx.Err() == nil:
		s.down(started, err)
	}
	return err
}

func isPermanent(err error) bool {
	var permanent *agent.PermanentError
	return errors.As(err, &permanent)
}

// up notes that the inner output takes batches, at least of late as started.
func (s *Spool) up(started time.Time) {
	if !s.circuit.succeeded(started) {
		return
	}
	s.log.Info("output is back", "waiting", s.ledger.waits())
	select {
	case s.back <- struct{}{}:
	default:
	}
}

// down notes that the inner output does not.
func (s *Spool) down(started time.Time, err error) {
	if s.circuit.failed(started, time.Now(), err) {
		s.log.Warn("output does not take points: they are kept on disk", "error", err)
	}
}

// Accounts implements [agent.Keeper].
func (s *Spool) Accounts() map[string]agent.Account { return s.ledger.copy() }

// Close ends the spool after the Writes under way: what is on disk stays for
// the next Open. It closes the inner output. When ctx ends, an attempt to
// deliver old points that is under way is given up.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		s.closeErr = s.shutDown(ctx)
		close(s.finished)
	}
	<-s.finished
	return s.closeErr
}

func (s *Spool) shutDown(ctx context.Context) error {
	s.stopDrain()
	s.writes.Wait()
	grace := time.NewTimer(s.writeTimeout)
	defer grace.Stop()
	select {
	case <-s.drained:
	case <-grace.C:
	case <-ctx.Done():
	}
	s.stop()
	<-s.drained
	close(s.requests)
	<-s.committed
	return errors.Join(s.queue.close(), s.lock.Close(), s.inner.Close(ctx))
}

// makeDir makes dir and the directories above it so that they survive power
// loss.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(parent)
}
