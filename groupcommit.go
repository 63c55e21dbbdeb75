package agent

import (
	"context"
	"sync"
	"time"
)

// postTimeout bounds how long a post waits for its acknowledgement.
const postTimeout = 10 * time.Second

// endTimeout bounds how long a write takes to return once its context has
// ended.
const endTimeout = time.Second

// groupCommit writes for callers that wait for the result. While a write of
// their namespace is under way they gather, and share the next one: waiting
// for the acknowledgement costs them time, but the output no throughput.
type groupCommit struct {
	output Output
	ledger *ledger
	ctx    context.Context // of all writes
	end    context.CancelFunc

	mu      sync.Mutex
	writing map[string]bool   // guarded by mu; namespaces with a writer
	next    map[string]*group // guarded by mu; who waits for the next write
	closed  bool              // guarded by mu
	writers sync.WaitGroup
}

// group shares one write.
type group struct {
	batches []Batch
	errs    []error       // of each batch; set before done is closed
	done    chan struct{} // closed after the write
}

func newGroupCommit(output Output, ledger *ledger) *groupCommit {
	c := &groupCommit{output: output, ledger: ledger, writing: make(map[string]bool), next: make(map[string]*group)}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

// write returns when the batch is written or could not be, or when ctx ends. A
// batch whose write has not begun by then is not written; of one under way the
// end is booked all the same.
func (c *groupCommit) write(ctx context.Context, b Batch) error {
	g, position, err := c.join(b)
	if err != nil {
		return err
	}
	select {
	case <-g.done:
		return g.errs[position]
	case <-ctx.Done():
		c.leave(g, position)
		return ctx.Err()
	}
}

// leave takes a batch out of its group, unless that is being written.
func (c *groupCommit) leave(g *group, position int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next[g.batches[position].Namespace] == g {
		g.batches[position].Metrics = nil
	}
}

// join adds the batch to the namespace's next write and sees that there is a
// writer.
func (c *groupCommit) join(b Batch) (g *group, position int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, 0, ErrStopped
	}
	g = c.next[b.Namespace]
	if g == nil {
		g = &group{done: make(chan struct{})}
		c.next[b.Namespace] = g
	}
	g.batches = append(g.batches, b)
	if !c.writing[b.Namespace] {
		c.writing[b.Namespace] = true
		c.writers.Go(func() { c.writeGroups(b.Namespace) })
	}
	return g, len(g.batches) - 1, nil
}

// writeGroups writes a namespace's groups until nobody waits.
func (c *groupCommit) writeGroups(namespace string) {
	for {
		c.mu.Lock()
		g := c.next[namespace]
		delete(c.next, namespace)
		if g == nil {
			delete(c.writing, namespace)
		}
		c.mu.Unlock()
		if g == nil {
			return
		}
		g.errs = c.writeTogether(g.batches)
		close(g.done)
	}
}

// writeTogether returns an error for each batch.
func (c *groupCommit) writeTogether(batches []Batch) []error {
	ctx, cancel := context.WithTimeout(c.ctx, postTimeout)
	defer cancel()
	errs := make([]error, len(batches))
	err := c.writeBatch(ctx, merge(batches))
	if asPermanent(err) != nil && len(batches) > 1 {
		for i, batch := range batches { // one of them may be to blame for all
			errs[i] = c.writeBatch(ctx, batch)
		}
		return errs
	}
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// writeBatch writes and books, unless all who wanted it have left.
func (c *groupCommit) writeBatch(ctx context.Context, b Batch) error {
	if len(b.Metrics) == 0 {
		return nil
	}
	err := recovered(func() error { return c.output.Write(ctx, b) })
	safe := len(b.Metrics)
	if permanent := asPermanent(err); permanent != nil {
		safe -= permanent.Refused(b)
	} else if err != nil {
		return err
	}
	if safe > 0 {
		c.ledger.accept(b.Namespace, safe)
		c.ledger.deliver(b.Namespace, safe)
	}
	return err
}

// close refuses further writes and waits for those under way. When ctx ends, it
// ends them.
func (c *groupCommit) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	defer c.end()
	if waitFor(ctx, &c.writers) == nil {
		return nil
	}
	c.end()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return waitFor(ending, &c.writers)
}
