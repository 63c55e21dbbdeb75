package spool

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent"
)

const (
	// A block is closed once it has this many bytes.
	blockSize = 64 << 10
	// A transaction takes no further request once it has this many bytes.
	commitSize = 1 << 20
	// requestBacklog is how many writers the committer takes without
	// switching to them.
	requestBacklog = 1024
)

// request is a batch that a writer wants on disk.
type request struct {
	namespace string
	points    int64
	records   []byte
	// waitsSince is zero for a new batch. One that is on disk already and is
	// only moved has been accepted before.
	waitsSince time.Time
	// taken is set by the committer that writes the request, or by a writer
	// that no longer waits for it: whoever comes first.
	taken atomic.Bool
	done  chan error
}

// store returns nil once b is on disk. When ctx ends first, b is not stored;
// but a transaction that has begun is waited for.
func (s *Spool) store(ctx context.Context, b agent.Batch) error {
	r, _ := s.free.Get().(*request)
	if r == nil {
		r = &request{done: make(chan error, 1)}
	}
	var err error
	if r.records, err = appendRecords(r.records[:0], b); err != nil {
		return &agent.PermanentError{Reason: "bad_value", Err: fmt.Errorf("keep batch of %s on disk: %w", b.Namespace, err)}
	}
	r.namespace, r.points = b.Namespace, int64(len(b.Metrics))
	r.taken.Store(false)
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return fmt.Errorf("keep batch of %s on disk: %w", b.Namespace, context.Cause(ctx))
	}
	select {
	case err = <-r.done:
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return fmt.Errorf("keep batch of %s on disk: %w", b.Namespace, context.Cause(ctx))
		}
		err = <-r.done
	}
	s.free.Put(r)
	return err
}

// commit writes requests until there will be no more. All that come while one
// transaction is on its way to the disk share the next.
func (s *Spool) commit() {
	defer close(s.committed)
	var group []*request
	for r := range s.requests {
		group = s.gather(group[:0], r)
		if len(group) == 0 {
			continue
		}
		err := s.queue.append(group)
		for _, r := range group {
			r.done <- err
		}
	}
}

// gather takes r and what else is waiting.
func (s *Spool) gather(group []*request, r *request) []*request {
	size := 0
	for {
		if r.taken.CompareAndSwap(false, true) {
			group = append(group, r)
			size += len(r.records)
		}
		if size >= commitSize {
			return group
		}
		select {
		case next, ok := <-s.requests:
			if !ok {
				return group
			}
			r = next
		default:
			return group
		}
	}
}

// blocks packs the records of the requests into blocks numbered from seq on.
// They share one piece of memory, which is buf if that is large enough.
func blocks(buf []byte, seq uint64, group []*request) (blocks [][]byte, memory []byte) {
	size := 0
	for _, r := range group {
		size += len(r.records) + blockHeadSize
	}
	if cap(buf) < size {
		buf = make([]byte, 0, size)
	}
	buf = buf[:0]
	start := 0
	for i, r := range group {
		if len(buf) == start {
			buf = appendBlockHead(buf, seq+uint64(len(blocks)))
		}
		buf = append(buf, r.records...)
		if len(buf)-start >= blockSize || i == len(group)-1 {
			blocks = append(blocks, buf[start:len(buf):len(buf)])
			start = len(buf)
		}
	}
	return blocks, buf
}
