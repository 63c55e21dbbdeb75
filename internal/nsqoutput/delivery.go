package nsqoutput

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/nsqio/go-nsq"

	"github.com/lodastack/agent"
)

// grace is how long a server must be down before a request is dropped that all
// other servers refuse. The server might accept the request.
const grace = time.Minute

var errClosed = errors.New("the NSQ output is closed")

// deliver sends the request to the first server that accepts it, and returns its address. If a server
// calls a request of several points too big, deliver fails at once with a
// [*tooBigError].
func (o *Output) deliver(ctx context.Context, request *nsq.Command, several bool) (server string, err error) {
	if !o.probeRested() {
		return "", errClosed
	}
	failed := make([]error, len(o.servers))
	for ctx.Err() == nil {
		i, claimed := o.choose(failed)
		if i < 0 {
			break
		}
		attempt, cancel := context.WithTimeout(ctx, o.share(ctx, failed))
		err := o.servers[i].publish(attempt, request, claimed)
		cancel()
		if err == nil {
			return o.servers[i].addr, nil
		}
		var r *refusal
		if several && errors.As(err, &r) && r.tooBig() {
			return "", &tooBigError{r}
		}
		failed[i] = err
	}
	return "", o.failure(ctx, failed)
}

// choose returns the index of the next server to try, and whether it was
// claimed. The index is -1 if there is none. Servers that have failed are not
// tried again.
func (o *Output) choose(failed []error) (i int, claimed bool) {
	for i, s := range o.servers {
		if failed[i] == nil {
			if ok, claimed := s.health.use(); ok {
				return i, claimed
			}
		}
	}
	now := time.Now()
	for i, s := range o.servers {
		if failed[i] == nil && s.health.claimRested(now) {
			return i, true
		}
	}
	return -1, false
}

// share returns the timeout of the next attempt. It leaves enough time for the
// servers that could be tried after it.
func (o *Output) share(ctx context.Context, failed []error) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return o.cfg.Timeout
	}
	now := time.Now()
	left := 0
	for i, s := range o.servers {
		if failed[i] == nil && s.health.available(now) {
			left++
		}
	}
	return min(o.cfg.Timeout, deadline.Sub(now)/time.Duration(max(1, left)))
}

// probeRested probes servers in the background that are down and whose pause is
// over, if another server works. It returns false if the output is closed.
func (o *Output) probeRested() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	working := false
	for _, s := range o.servers {
		working = working || s.health.working()
	}
	if !working {
		return true
	}
	now := time.Now()
	for _, s := range o.servers {
		if s.health.claimRested(now) {
			o.probes.Go(func() { s.probe(o.probing) })
		}
	}
	return true
}

// failure returns why no server accepted a request. The error is permanent if
// all servers refuse the request, except those that have been down for long.
func (o *Output) failure(ctx context.Context, failed []error) error {
	var refused *refusal
	final := true
	faults := &multierror.Error{ErrorFormat: inOneLine}
	for i, s := range o.servers {
		err := failed[i]
		if err == nil {
			err = s.health.excuse()
		}
		var r *refusal
		if errors.As(err, &r) && r.permanent() {
			refused = r
		} else if !s.health.downFor(grace) {
			final = false
		}
		faults = multierror.Append(faults, fmt.Errorf("nsqd %s: %w", s.addr, err))
	}
	if refused != nil && final {
		return &agent.PermanentError{Reason: refused.reason(), Err: faults}
	}
	if err := ctx.Err(); err != nil {
		faults = multierror.Append(faults, err)
	}
	return faults
}

func inOneLine(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}
