package agenttest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lodastack/agent"
)

// Store is an [agent.Store] that keeps its batches in memory. Next returns one
// batch for each call. Its knobs affect Put, Next and Done.
type Store struct {
	Knobs

	mu         sync.Mutex
	kept       []agent.Batch // guarded by mu, as all below; oldest first
	oldest     time.Time
	given      int // how many batches of kept Next has returned
	limit      int // in points; 0: no limit
	losses     []agent.Loss
	calling    bool
	closed     bool
	violations []string
}

var _ agent.Store = (*Store)(nil)

// NewStore returns a Store that already has batches.
func NewStore(batches ...agent.Batch) *Store {
	s := &Store{}
	for _, b := range batches {
		s.kept = append(s.kept, cloneBatch(b))
	}
	return s
}

// Reopen returns a Store with the batches of this one, as after a restart.
func (s *Store) Reopen() *Store { return NewStore(s.Batches()...) }

// Limit sets how many points the store keeps. Above it, Put drops the oldest
// batches for the reason spool_full. Zero removes the limit.
func (s *Store) Limit(points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = points
}

// Batches returns the stored batches, oldest first.
func (s *Store) Batches() []agent.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

// Closed reports whether Close was called.
func (s *Store) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Violations returns the calls that [agent.Store] does not allow.
func (s *Store) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// Waiting implements [agent.Store].
func (s *Store) Waiting() map[string]int64 {
	defer s.call("Waiting")()
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := make(map[string]int64)
	for _, b := range s.kept {
		waiting[b.Namespace] += int64(len(b.Metrics))
	}
	for _, loss := range s.losses {
		waiting[loss.Namespace] += int64(loss.Points)
	}
	return waiting
}

var errStoreClosed = errors.New("the store is closed")

// Put implements [agent.Store].
func (s *Store) Put(ctx context.Context, batches []agent.Batch) error {
	defer s.call("Put")()
	if err := s.obey(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStoreClosed
	}
	s.append(batches)
	return nil
}

// append adds batches after all others, and makes room for them. The caller
// holds mu.
func (s *Store) append(batches []agent.Batch) {
	if len(s.kept) == 0 {
		s.oldest = time.Now()
	}
	for _, b := range batches {
		s.kept = append(s.kept, cloneBatch(b))
	}
	// Batches that Next has returned may be in delivery and are not dropped.
	for s.limit > 0 && pointsIn(s.kept) > s.limit && s.given < len(s.kept) {
		b := s.kept[s.given]
		s.kept = slices.Delete(s.kept, s.given, s.given+1)
		s.losses = append(s.losses, agent.Loss{Namespace: b.Namespace, Reason: "spool_full", Points: len(b.Metrics)})
	}
}

// Next implements [agent.Store].
func (s *Store) Next(ctx context.Context) ([]agent.Batch, error) {
	defer s.call("Next")()
	if err := s.obey(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given == len(s.kept) {
		return nil, nil
	}
	s.given++
	return []agent.Batch{cloneBatch(s.kept[s.given-1])}, nil
}

// Done implements [agent.Store].
func (s *Store) Done(ctx context.Context, rest []agent.Batch) error {
	defer s.call("Done")()
	if err := s.obey(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given == 0 {
		s.violations = append(s.violations, "Done was called without a Next before it")
		return errors.New("there is no batch to be done with")
	}
	s.given--
	s.kept = slices.Delete(s.kept, 0, 1)
	s.append(rest)
	return nil
}

// Rewind implements [agent.Store].
func (s *Store) Rewind() {
	defer s.call("Rewind")()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = 0
}

// Losses implements [agent.Store].
func (s *Store) Losses() []agent.Loss {
	defer s.call("Losses")()
	s.mu.Lock()
	defer s.mu.Unlock()
	losses := s.losses
	s.losses = nil
	return losses
}

// Inspect implements [agent.Store].
func (s *Store) Inspect() agent.StoreDetails {
	s.mu.Lock()
	defer s.mu.Unlock()
	details := agent.StoreDetails{DiskDetails: agent.DiskDetails{Points: int64(pointsIn(s.kept))}}
	if len(s.kept) > 0 {
		details.Oldest = s.oldest
	}
	return details
}

// Close implements [agent.Store].
func (s *Store) Close(context.Context) error {
	defer s.call("Close")()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// call records the beginning of a method that must not be called concurrently.
// end records its end.
func (s *Store) call(method string) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calling && !s.hangsForever() { // nobody can wait for a call that hangs for ever
		s.violations = append(s.violations, method+" was called before another method had returned")
	}
	s.calling = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calling = false
	}
}

func pointsIn(batches []agent.Batch) (points int) {
	for _, b := range batches {
		points += len(b.Metrics)
	}
	return points
}
