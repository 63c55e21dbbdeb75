package spool

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/lodastack/agent"
)

const (
	// Pauses between attempts at an output that does not take anything double
	// from the shortest to the longest.
	shortestPause = 50 * time.Millisecond
	longestPause  = 500 * time.Millisecond
	// longestPatience bounds how many write timeouts the drainer waits for an
	// output that it finds too slow.
	longestPatience = 8
	fewestPoints    = 10
)

// drainer delivers the backlog, one write at a time: that is what keeps it
// from getting in the way of live writes. While the output is down it is also
// the one that asks for it.
type drainer struct {
	*Spool
	// points that the next write holds at most; fewer while writes time out.
	points int
	// timeouts in a row.
	timeouts int
	// pause before the next attempt.
	pause time.Duration
	// complaint is the last error that was logged for the disk.
	complaint string
}

// drain delivers until the spool is closed.
func (s *Spool) drain(ctx context.Context) {
	defer close(s.drained)
	d := drainer{Spool: s, points: writePoints, pause: shortestPause}
	for ctx.Err() == nil {
		c, err := s.queue.take()
		if err != nil {
			d.unreadable(err)
			d.wait(ctx)
		} else if c == nil {
			select {
			case <-s.queue.filled:
			case <-ctx.Done():
			}
		} else if d.deliver(ctx, c) {
			s.queue.settle(c)
		} else {
			s.queue.keep(c)
		}
	}
}

// unreadable says once that the backlog cannot be read now.
func (d *drainer) unreadable(err error) {
	if text := err.Error(); text != d.complaint {
		d.complaint = text
		d.log.Error("spool cannot be read and is tried again", "error", err)
	}
}

// deliver returns true once nothing of c waits any more, false when ctx has
// ended before.
func (d *drainer) deliver(ctx context.Context, c *chunk) bool {
	var failing time.Time
	for len(c.batches) > 0 {
		if ctx.Err() != nil {
			return false
		}
		b := &c.batches[0]
		piece := agent.Batch{Namespace: b.Namespace, Metrics: b.Metrics[:min(d.points, len(b.Metrics))]}
		if d.attempt(piece) {
			if b.Metrics = b.Metrics[len(piece.Metrics):]; len(b.Metrics) == 0 {
				c.batches = c.batches[1:]
			}
			failing = time.Time{}
			d.pace(ctx, len(piece.Metrics))
			continue
		}
		d.queue.expire(time.Now())
		if reason := d.queue.lost(c); reason != "" {
			d.ledger.dropped(c.rest(), reason)
			return true
		}
		if failing.IsZero() {
			failing = time.Now()
		} else if d.circuit.tookSince(failing) && d.moveBack(*b, c.segment.newest) == nil {
			c.batches = c.batches[1:]
			failing = time.Time{}
		}
		d.wait(ctx)
	}
	return true
}

// moveBack puts a batch behind all others. It is for one that the output does
// not take while it takes others: those must not wait for it.
func (d *drainer) moveBack(b agent.Batch, accepted time.Time) error {
	r := &request{namespace: b.Namespace, points: int64(len(b.Metrics)), waitsSince: accepted, done: make(chan error, 1)}
	var err error
	if r.records, err = appendRecords(nil, b); err != nil {
		return err
	}
	d.requests <- r
	return <-r.done
}

// attempt returns true if the piece was delivered or can never be.
func (d *drainer) attempt(piece agent.Batch) bool {
	timeout := d.writeTimeout << min(max(d.timeouts-2, 0), 3)
	ctx, cancel := context.WithTimeout(d.stopped, timeout)
	defer cancel()
	started := time.Now()
	err := d.inner.Write(ctx, piece)
	n := int64(len(piece.Metrics))
	var permanent *agent.PermanentError
	switch {
	case err == nil:
		d.up(started)
		d.ledger.delivered(piece.Namespace, n)
	case errors.As(err, &permanent):
		refused := int64(permanent.Refused(piece))
		d.log.Warn("spooled points were refused and are dropped", "namespace", piece.Namespace, "points", refused, "error", err)
		d.ledger.dropped(map[string]int64{piece.Namespace: refused}, reason(permanent))
		d.ledger.delivered(piece.Namespace, n-refused)
	default:
		// A success of late says that it is this batch, not the output.
		if !d.circuit.tookSince(started.Add(-trialEvery)) {
			d.down(started, err)
		}
		if ctx.Err() != nil {
			d.timeouts++
			d.points = max(d.points/2, fewestPoints)
		}
		return false
	}
	d.timeouts, d.pause = 0, shortestPause
	d.points = min(2*d.points, writePoints)
	return true
}

func reason(e *agent.PermanentError) string {
	if e.Reason == "" {
		return "refused"
	}
	return e.Reason
}

// wait pauses after a failure, until ctx has ended or a live write was taken.
func (d *drainer) wait(ctx context.Context) {
	timer := time.NewTimer(d.pause/2 + rand.N(d.pause/2))
	defer timer.Stop()
	d.pause = min(2*d.pause, longestPause)
	select {
	case <-timer.C:
	case <-d.back:
	case <-ctx.Done():
	}
}

// pace keeps to the rate that the user has set.
func (d *drainer) pace(ctx context.Context, points int) {
	if d.rate == 0 {
		return
	}
	timer := time.NewTimer(time.Duration(points) * time.Second / time.Duration(d.rate))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
