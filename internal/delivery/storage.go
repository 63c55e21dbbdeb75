package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/waitgroup"
)

// Store keeps batches until they are done, in the order of Put. The engine
// calls its methods one at a time.
type Store[T any] interface {
	// Waiting returns how many points of each namespace the store has. It is
	// called first, and returns when ctx ends. After an error, the store is not
	// used.
	Waiting(ctx context.Context) (map[string]int64, error)
	// Put returns nil once all batches are stored. After an error none is
	// stored.
	Put(ctx context.Context, batches []Batch[T]) error
	// Next returns a limited number of the oldest batches that it has not
	// returned yet. It returns none if there are no more. The batches stay
	// stored until Done.
	Next(ctx context.Context) ([]Batch[T], error)
	// Done removes the batches of the oldest Next that is not done, and puts
	// rest, the part that is not delivered yet, after all others. After an
	// error nothing has changed.
	Done(ctx context.Context, rest []Batch[T]) error
	// Rewind makes Next return again everything that is not done.
	Rewind()
	// Losses returns what the store has dropped since the last call.
	Losses() []Loss
	// Close closes the store. The batches stay for the next opening.
	Close(ctx context.Context) error
}

// Loss is a number of points that were dropped.
type Loss struct {
	Namespace string
	Reason    string
	Points    int
}

// errNotUsed is why nothing can be stored before Start.
var errNotUsed = errors.New("the store is not in use yet")

// rereadPause is the pause after the store could not be read.
const rereadPause = 500 * time.Millisecond

// storage is the only goroutine that calls the store. The drainer gets batches
// from it. It reads the next piece of the backlog while the drainer writes one.
type storage[T any] struct {
	*Engine[T]
	store Store[T]

	puts    chan *putting[T]
	pieces  chan []Batch[T]
	results chan *result[T]
	back    chan struct{} // has a token when the output is up again

	kept    atomic.Int64 // stored points
	running sync.WaitGroup
	drainer sync.WaitGroup
	used    chan struct{} // closed once there is the goroutine
	quit    chan struct{} // ends it

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

// putting is a request to store entries.
type putting[T any] struct {
	laneKey
	entries []*entry[T]
	done    chan error
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
		Engine: e, store: store, unread: true,
		puts: make(chan *putting[T]), pieces: make(chan []Batch[T]), results: make(chan *result[T]),
		back: make(chan struct{}, 1), used: make(chan struct{}), quit: make(chan struct{}),
	}
	s.writing, s.stopWrite = context.WithCancel(context.Background())
	s.draining, s.stopDrain = context.WithCancel(s.writing)
	return s
}

// found returns what the store has from earlier runs.
func (s *storage[T]) found() (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.returns)
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
	s.drainer.Go(func() { s.drain(s.draining) })
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

// put stores the entries of a lane, except those whose caller has given up.
func (s *storage[T]) put(key laneKey, entries []*entry[T]) error {
	select {
	case <-s.used:
	default:
		return errNotUsed
	}
	p := &putting[T]{laneKey: key, entries: entries, done: make(chan error, 1)}
	select {
	case s.puts <- p:
		return <-p.done
	case <-s.quit:
		return ErrStopped
	}
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
	if s.breaker.down() != nil && s.inHand {
		return nil
	}
	if wait := time.Until(s.readAfter); wait > 0 {
		return time.After(wait)
	}
	batches, err := s.store.Next(s.writing)
	s.bookLosses()
	if err != nil {
		if text := err.Error(); text != s.complaint {
			s.complaint = text
			s.log.Error("cannot read the backlog: retrying", "error", err)
		}
		s.readAfter = time.Now().Add(rereadPause)
		return time.After(rereadPause)
	}
	s.complaint = ""
	s.ready, s.unread = batches, len(batches) > 0
	return nil
}

// gather returns p and all other pending requests, which share one write to the
// store.
func (s *storage[T]) gather(p *putting[T]) []*putting[T] {
	group, points := []*putting[T]{p}, count(p.entries)
	for points < storePoints {
		select {
		case p := <-s.puts:
			group = append(group, p)
			points += count(p.entries)
		default:
			return group
		}
	}
	return group
}

func (s *storage[T]) putAll(group []*putting[T]) {
	entries := 0
	for _, p := range group {
		entries += len(p.entries)
	}
	batches := make([]Batch[T], 0, entries)
	for _, p := range group {
		for _, n := range p.entries {
			if n.claim() {
				batches = append(batches, Batch[T]{p.namespace, n.points})
			}
		}
	}
	var err error
	if len(batches) > 0 {
		err = s.store.Put(s.writing, batches)
	}
	for _, p := range group {
		if err == nil {
			s.stored(p)
		}
		p.done <- err
	}
	s.unread = s.unread || err == nil
}

// stored books the entries that the store has taken.
func (s *storage[T]) stored(p *putting[T]) {
	points := 0
	for _, n := range p.entries {
		if n.state.Load() == claimed {
			points += len(n.points)
		}
	}
	s.added(points)
	if p.waited {
		s.ledger.book(p.namespace, step{accepted: points})
	}
}

// added counts points that were stored, and removed those that were removed.
// They log when the store comes into use and when it is empty.
func (s *storage[T]) added(points int) {
	if kept := s.kept.Add(int64(points)); points > 0 && kept == int64(points) {
		s.log.Debug("points go to the store", event.Attr(event.StoreUsed), "points", points)
	}
}

func (s *storage[T]) removed(points int) {
	if kept := s.kept.Add(-int64(points)); points > 0 && kept == 0 {
		s.log.Debug("the store is empty", event.Attr(event.StoreEmptied))
	}
}

// finishPiece applies the drainer's result to the store.
func (s *storage[T]) finishPiece(r *result[T]) {
	if r.rewind {
		s.store.Rewind()
		s.ready, s.unread, s.inHand = nil, true, false
		r.done <- nil
		return
	}
	err := s.store.Done(s.writing, r.rest)
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
	losses := s.store.Losses()
	for _, loss := range losses {
		s.removed(loss.Points)
	}
	s.Engine.bookLosses(losses)
}

// stopDraining stops the drainer. A write in progress may finish until ctx
// ends, or until the write times out.
func (s *storage[T]) stopDraining(ctx context.Context) {
	s.stopDrain()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_ = waitgroup.Wait(ctx, &s.drainer)
	s.stopWrite()
}

// close ends the goroutine and closes the store. It takes at most
// Config.ReturnTimeout.
func (s *storage[T]) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.returns)
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
