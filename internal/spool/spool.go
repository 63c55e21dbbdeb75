// Package spool keeps batches on disk, in the order in which they come.
//
//	Put ──► segment … segment ──► Next: a piece, and the next, and the next …
//	        newest      oldest      │
//	           ▲                    ├── Done: the oldest piece is removed, and the
//	           └────────────────────┘   undelivered rest of it is put again
//	                                └── Rewind: the oldest piece comes again
//
// # On disk
//
//	lock                          one process owns the directory
//	18a3f0c2d4e5b6a7.db           a segment: a bbolt file of a few MiB
//	18a3f0c2d4e5b6a7.sum          how many points a sealed segment has, and
//	                              how far it is done; may be missing or wrong
//	18a3….db.damaged-1753000000   could not be read, kept for inspection
//
// The newest segment is written until it is large enough, and then sealed. A
// sealed segment is never changed. It is read, and removed once all of it is
// done.
//
// When Put returns nil, the batches are completely on disk. bbolt syncs its
// pages before the page that refers to them. The directory is synced before the
// first block. After each write, the spool checks that the file still has its
// name.
//
// After a crash, what was done since the last summary, one second at most, is
// read again. Checksums detect torn writes and flipped bytes. Damaged points
// are counted as lost and never returned, and the spool still opens.
package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/filelock"
)

// Config of a spool. Only Dir must be set. stock.SpoolConfig has the same
// fields and describes them in full.
type Config struct {
	// Dir belongs to this spool alone. It is made if missing.
	Dir string
	// MaxSize limits the files, in bytes. Zero: 1 GiB.
	MaxSize int64
	// MaxAge limits how long points wait. Zero: 7 days.
	MaxAge time.Duration
	// Logger for problems with the files. Nil: no logging.
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
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Reasons why the spool drops points.
const (
	// DroppedFull: the spool reached MaxSize, and they were the oldest.
	DroppedFull = "spool_full"
	// DroppedAge: they waited for longer than MaxAge.
	DroppedAge = "spool_age"
	// DroppedDamaged: they could not be read from the disk, or their file was
	// removed.
	DroppedDamaged = "spool_damaged"
)

// ErrClosed is returned by Put after Close.
var ErrClosed = errors.New("spool: closed")

// A segment is sealed once it is this large. Up to three segments are mapped at
// a time and count as memory of the process, so they must be small.
const maxSegmentSize = 4 << 20

// Spool is an [agent.Store]. Its methods are called one at a time, except for
// Inspect and Close.
type Spool struct {
	dir         string
	maxSize     int64
	maxAge      time.Duration
	segmentSize int64
	log         *slog.Logger
	lock        *filelock.Lock

	segments []*segment   // oldest first
	active   *segment     // the last segment, until it is sealed
	hand     []*piece     // pieces that are read and not done, oldest first
	lastID   uint64       // of the newest segment
	losses   []agent.Loss // since the last call of Losses
	damages  []Damage     // newest last
	fault    fault        // of the last write
	memory   []byte       // buffer for the blocks of a transaction

	using  chan struct{} // holds a token while a method runs
	closed bool          // guarded by the token
	seen   atomic.Pointer[seen]
}

var _ agent.Store = (*Spool)(nil)

// Open opens the spool in a directory, with the batches in it. It returns an
// error if another process or spool uses the directory, or if it cannot be
// used. Damaged files are not an error.
func Open(c Config) (*Spool, error) {
	if c.Dir == "" {
		return nil, errors.New("spool: no directory is configured")
	}
	c = c.withDefaults()
	s := &Spool{
		dir: c.Dir, maxSize: c.MaxSize, maxAge: c.MaxAge,
		segmentSize: min(c.MaxSize/16, maxSegmentSize),
		log:         c.Logger,
		using:       make(chan struct{}, 1),
	}
	if err := s.own(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.lock.Release())
	}
	s.describe()
	return s, nil
}

// own makes the directory and locks it.
func (s *Spool) own() error {
	if err := makeDir(s.dir); err != nil {
		return fmt.Errorf("make spool directory %s: %w", s.dir, err)
	}
	lock, err := lockDir(s.dir)
	if err != nil {
		return err
	}
	s.lock = lock
	return nil
}

// Waiting implements [agent.Store].
func (s *Spool) Waiting() map[string]int64 {
	waiting := make(map[string]int64)
	for _, g := range s.segments {
		for namespace, points := range g.points {
			waiting[namespace] += points
		}
	}
	for _, loss := range s.losses {
		waiting[loss.Namespace] += int64(loss.Points)
	}
	return waiting
}

// Put implements [agent.Store].
func (s *Spool) Put(ctx context.Context, batches []agent.Batch) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.expire(time.Now())
	return s.append(batches, time.Time{})
}

// Next implements [agent.Store].
func (s *Spool) Next(ctx context.Context) ([]agent.Batch, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	s.expire(time.Now())
	return s.next()
}

// Done implements [agent.Store].
func (s *Spool) Done(ctx context.Context, rest []agent.Batch) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	if len(s.hand) == 0 {
		return errors.New("spool: Done without Next")
	}
	p := s.hand[0]
	if len(rest) > 0 {
		if err := s.append(rest, p.newest); err != nil {
			return err
		}
	}
	s.hand = s.hand[1:]
	s.passed(p)
	return nil
}

// Rewind implements [agent.Store].
func (s *Spool) Rewind() {
	done, err := s.use(context.Background())
	if err != nil {
		return
	}
	defer done()
	s.rewind()
}

// Losses implements [agent.Store].
func (s *Spool) Losses() []agent.Loss {
	s.using <- struct{}{}
	defer func() { <-s.using }()
	losses := s.losses
	s.losses = nil
	return losses
}

// Close implements [agent.Store]. If ctx ends first, the files are closed as
// soon as the disk allows.
func (s *Spool) Close(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() {
		done, err := s.use(context.Background())
		if err != nil {
			closed <- nil
			return
		}
		defer done()
		closed <- s.close()
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close spool %s: %w", s.dir, context.Cause(ctx))
	}
}

func (s *Spool) close() error {
	s.closed = true
	s.rewind()
	if s.active != nil {
		s.seal()
	}
	var wrong []error
	for _, g := range s.segments {
		wrong = append(wrong, g.close())
		if g.next > 1 {
			s.summarize(g)
		}
	}
	return errors.Join(append(wrong, s.lock.Release())...)
}

// use waits for the token. The caller holds it until it calls done.
func (s *Spool) use(ctx context.Context) (done func(), err error) {
	select {
	case s.using <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("spool: %w", context.Cause(ctx))
	}
	if s.closed {
		<-s.using
		return nil, ErrClosed
	}
	return func() {
		s.describe()
		<-s.using
	}, nil
}

// lose counts points as lost.
func (s *Spool) lose(points map[string]int64, reason string) {
	for namespace, n := range points {
		if n > 0 {
			s.losses = append(s.losses, agent.Loss{Namespace: namespace, Reason: reason, Points: int(n)})
		}
	}
}

// makeDir makes dir and the directories above it, and syncs them.
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

func total(points map[string]int64) (n int64) {
	for _, p := range points {
		n += p
	}
	return n
}
