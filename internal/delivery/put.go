package delivery

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// errNotUsed is why nothing can be stored before Start.
var errNotUsed = errors.New("the store is not in use yet")

// errStoreHangs is why a lane does not wait for the store.
var errStoreHangs = fmt.Errorf("the store has not returned within %s", storeTimeout)

// putting is a request to store entries.
type putting[T any] struct {
	laneKey
	entries []*entry[T]
	size    int // points of all entries
	points  int // that are being stored
	done    chan error

	mu        sync.Mutex
	abandoned bool // the lane does not wait any more, and uses the entries; guarded by mu
	answered  bool // there is a result; guarded by mu
}

// take appends the batches to store, without those whose caller has given up, and none if the
// lane has abandoned the request.
func (p *putting[T]) take(batches []Batch[T]) []Batch[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.abandoned {
		return batches
	}
	for _, n := range p.entries {
		if n.claim() {
			batches = append(batches, Batch[T]{p.namespace, n.points})
			p.points += len(n.points)
		}
	}
	return batches
}

// abandon reports whether there is no result yet. Then the lane need not wait for it.
func (p *putting[T]) abandon() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = !p.answered
	return p.abandoned
}

// answer records that there is a result, and reports whether it comes too late.
func (p *putting[T]) answer() (late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = true
	return p.abandoned
}

// put stores the entries of a lane, except those whose caller has given up. After an error, the
// store may still take them if it hangs.
func (s *storage[T]) put(key laneKey, entries []*entry[T]) error {
	select {
	case <-s.used:
	default:
		return errNotUsed
	}
	if !s.hangsSince().IsZero() {
		return errStoreHangs
	}
	p := &putting[T]{laneKey: key, entries: entries, size: count(entries), done: make(chan error, 1)}
	timer := time.NewTimer(storeTimeout)
	defer timer.Stop()
	select {
	case s.puts <- p:
	case <-timer.C:
		return errStoreHangs
	case <-s.quit:
		return ErrStopped
	}
	select {
	case err := <-p.done:
		return err
	case <-timer.C:
		if p.abandon() {
			return errStoreHangs
		}
		return <-p.done
	}
}

// gather returns p and all other pending requests, which share one write to the
// store.
func (s *storage[T]) gather(p *putting[T]) []*putting[T] {
	group, points := []*putting[T]{p}, p.size
	for points < storePoints {
		select {
		case p := <-s.puts:
			group = append(group, p)
			points += p.size
		default:
			return group
		}
	}
	return group
}

func (s *storage[T]) putAll(group []*putting[T]) {
	batches := make([]Batch[T], 0, len(group))
	for _, p := range group {
		batches = p.take(batches)
	}
	var err error
	if len(batches) > 0 {
		err = s.call(func() error { return s.store.Put(s.writing, batches) })
	}
	for _, p := range group {
		late := p.answer()
		if err == nil {
			s.stored(p, late)
		}
		p.done <- err
	}
	s.unread = s.unread || err == nil
}

// stored books the points that the store has taken. If it took them too late, the lane still has
// them and delivers them, too: the account counts them twice.
func (s *storage[T]) stored(p *putting[T], late bool) {
	s.added(p.points)
	if p.waited || late {
		s.engine.ledger.book(p.namespace, step{accepted: p.points})
	}
}
