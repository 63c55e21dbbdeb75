package delivery

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/waitgroup"
)

const (
	// rereadPause is the pause after the store could not be read.
	rereadPause = 500 * time.Millisecond
	// storeTimeout is how long a lane waits for the store. A disk that other programs keep
	// busy may take seconds.
	storeTimeout = 10 * time.Second
)

// storage has the one goroutine that calls the store, after Waiting and before Close. The
// drainer gets batches from it. It reads the next piece of the backlog while the drainer
// writes one.
type storage[T any] struct {
	engine *Engine[T]
	store  Store[T]

	puts    chan *putting[T]
	pieces  chan []Batch[T]
	results chan *result[T]
	back    chan struct{} // has a token when the output is up again

	kept    atomic.Int64 // stored points
	began   atomic.Int64 // when the store was called, in Unix nanoseconds; 0: no call is in progress
	running sync.WaitGroup
	drains  sync.WaitGroup // the drainer
	used    chan struct{}  // closed once there is the goroutine
	quit    chan struct{}  // ends it

	draining  context.Context // ends when the drainer must stop
	stopDrain context.CancelFunc
	writing   context.Context // context of the drainer's writes
	stopWrite context.CancelFunc

	// Used only by the goroutine:
	ready     []Batch[T] // read ahead
	unread    bool       // Next may return more
	inHand    bool       // the drainer has a piece
	readAfter time.Time
	complaint string // the last error of Next that was logged
}

// result is the drainer's result for a piece. If rewind is set, nothing was
// done. Else everything except rest is delivered or dropped.
type result[T any] struct {
	rewind bool
	rest   []Batch[T]
	done   chan error
}

func newStorage[T any](e *Engine[T], store Store[T]) *storage[T] {
	s := &storage[T]{
		engine: e, store: store, unread: true,
		puts: make(chan *putting[T]), pieces: make(chan []Batch[T]), results: make(chan *result[T]),
		back: make(chan struct{}, 1), used: make(chan struct{}), quit: make(chan struct{}),
	}
	s.writing, s.stopWrite = context.WithCancel(context.Background())
	s.draining, s.stopDrain = context.WithCancel(s.writing)
	return s
}

// found returns what the store has from earlier runs.
func (s *storage[T]) found() (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.engine.returns)
	defer cancel()
	found, err := s.store.Waiting(ctx)
	for _, points := range found {
		s.kept.Add(points)
	}
	return found, err
}

func (s *storage[T]) start() {
	close(s.used)
	s.running.Go(s.run)
	s.drains.Go(func() { s.drain(s.draining) })
}

// empty reports whether nothing is stored.
func (s *storage[T]) empty() bool { return s.kept.Load() == 0 }

// wake makes the drainer try at once.
func (s *storage[T]) wake() {
	select {
	case s.back <- struct{}{}:
	default:
	}
}

// call calls the store.
func (s *storage[T]) call(f func() error) error {
	s.began.Store(time.Now().UnixNano())
	defer s.began.Store(0)
	return f()
}

// hangsSince returns when the store was called, if it has not returned for a long time. Zero: it
// does not hang.
func (s *storage[T]) hangsSince() time.Time {
	began := s.began.Load()
	if began == 0 || time.Since(time.Unix(0, began)) < storeTimeout {
		return time.Time{}
	}
	return time.Unix(0, began)
}

// run calls the store until quit is closed.
func (s *storage[T]) run() {
	for {
		retry := s.read()
		var pieces chan []Batch[T]
		if s.ready != nil {
			pieces = s.pieces
		}
		select {
		case p := <-s.puts:
			s.putAll(s.gather(p))
		case pieces <- s.ready:
			s.ready, s.inHand = nil, true
		case r := <-s.results:
			s.finishPiece(r)
		case <-retry:
		case <-s.quit:
			return
		}
		s.bookLosses()
	}
}

// read reads ahead, unless the output is down and the drainer already has a
// piece to try. The channel tells when to retry a failed read.
func (s *storage[T]) read() (retry <-chan time.Time) {
	if !s.unread || s.ready != nil {
		return nil
	}
	if s.engine.breaker.down() != nil && s.inHand {
		return nil
	}
	if wait := time.Until(s.readAfter); wait > 0 {
		return time.After(wait)
	}
	var batches []Batch[T]
	err := s.call(func() (err error) {
		batches, err = s.store.Next(s.writing)
		return err
	})
	s.bookLosses()
	if err != nil {
		if text := err.Error(); text != s.complaint {
			s.complaint = text
			s.engine.log.Error("cannot read the backlog: retrying", "error", err)
		}
		s.readAfter = time.Now().Add(rereadPause)
		return time.After(rereadPause)
	}
	s.complaint = ""
	s.ready, s.unread = batches, len(batches) > 0
	return nil
}

// added counts points that were stored, and removed those that were removed.
// They log when the store comes into use and when it is empty.
func (s *storage[T]) added(points int) {
	if kept := s.kept.Add(int64(points)); points > 0 && kept == int64(points) {
		s.engine.log.Debug("points go to the store", event.Attr(event.StoreUsed), "points", points)
	}
}

func (s *storage[T]) removed(points int) {
	if kept := s.kept.Add(-int64(points)); points > 0 && kept == 0 {
		s.engine.log.Debug("the store is empty", event.Attr(event.StoreEmptied))
	}
}

// finishPiece applies the drainer's result to the store.
func (s *storage[T]) finishPiece(r *result[T]) {
	if r.rewind {
		_ = s.call(func() error { s.store.Rewind(); return nil })
		s.ready, s.unread, s.inHand = nil, true, false
		r.done <- nil
		return
	}
	err := s.call(func() error { return s.store.Done(s.writing, r.rest) })
	if err == nil {
		s.inHand = false
		s.unread = s.unread || len(r.rest) > 0
	}
	r.done <- err
}

// result sends the drainer's result for its piece to the goroutine.
func (s *storage[T]) result(rewind bool, rest []Batch[T]) error {
	r := &result[T]{rewind: rewind, rest: rest, done: make(chan error, 1)}
	select {
	case s.results <- r:
		return <-r.done
	case <-s.quit:
		return ErrStopped
	}
}

func (s *storage[T]) bookLosses() {
	var losses []Loss
	_ = s.call(func() error { losses = s.store.Losses(); return nil })
	for _, loss := range losses {
		s.removed(loss.Points)
	}
	s.engine.bookLosses(losses)
}

// stopDraining stops the drainer. A write in progress may finish until ctx
// ends, or until the write times out.
func (s *storage[T]) stopDraining(ctx context.Context) {
	s.stopDrain()
	ctx, cancel := context.WithTimeout(ctx, s.engine.timeout)
	defer cancel()
	_ = waitgroup.Wait(ctx, &s.drains)
	s.stopWrite()
}

// close ends the goroutine and closes the store. It takes at most
// Config.ReturnTimeout.
func (s *storage[T]) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.engine.returns)
	defer cancel()
	close(s.quit)
	if err := waitgroup.Wait(ctx, &s.running); err != nil {
		return fmt.Errorf("the store did not return: %w", err)
	}
	closed := make(chan error, 1)
	go func() {
		s.store.Rewind()
		s.bookLosses()
		closed <- s.store.Close(ctx)
	}()
	var err error
	select {
	case err = <-closed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}
