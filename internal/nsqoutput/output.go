// Package nsqoutput is the agent's output to NSQ.
package nsqoutput

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/nsqio/go-nsq"

	"github.com/lodastack/agent"
)

// Output publishes batches to NSQ. Each goes to one of the servers: the first
// that is healthy, in an order of preference that New draws by lot.
type Output struct {
	cfg     Config
	servers []*server // the preferred first
	packers sync.Pool

	probing context.Context // ends with Close
	stop    context.CancelFunc
	probes  sync.WaitGroup
	closing sync.Mutex // owns closed, and probes.Add before it
	closed  bool
}

var _ agent.Output = (*Output)(nil)

var errClosed = errors.New("the NSQ output is closed")

// New returns an Output that connects when it is first written to. The error
// names everything that is wrong with cfg.
func New(cfg Config) (*Output, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("NSQ output: %w", err)
	}
	if cfg.Hostname == "" {
		cfg.Hostname, _ = os.Hostname()
	}
	o := &Output{cfg: cfg}
	o.probing, o.stop = context.WithCancel(context.Background())
	o.packers.New = func() any {
		return &packer{format: newFormat(cfg.Format), maxMessage: cfg.MaxMessageSize}
	}
	first := rand.N(len(cfg.Servers))
	for i := range cfg.Servers {
		o.servers = append(o.servers, newServer(cfg.Servers[(first+i)%len(cfg.Servers)], &o.cfg))
	}
	return o, nil
}

// Write publishes the batch in as few messages as possible.
//
// Points that can never be written, because no message can hold them or every
// server refuses them, do not keep the others from being written; for them
// the error is an [agent.PermanentError]. Any other error names each server
// and why it did not take the points; some may have been written already.
func (o *Output) Write(ctx context.Context, b agent.Batch) error {
	topic, err := o.topic(b.Namespace)
	if err != nil {
		return err
	}
	p := o.packers.Get().(*packer)
	defer o.release(p)

	var refused refusals
	for rest := b.Metrics; len(rest) > 0; {
		rest = rest[p.pack(topic, rest, &refused):]
		if p.messages == 0 {
			continue
		}
		err := o.deliver(ctx, p.command(topic))
		var permanent *agent.PermanentError
		if errors.As(err, &permanent) {
			refused.add(p.points, permanent.Reason, permanent.Err)
		} else if err != nil {
			return fmt.Errorf("publish to topic %s: %w", topic, err)
		}
	}
	return refused.err(len(b.Metrics))
}

// release keeps p for another Write unless it has grown large.
func (o *Output) release(p *packer) {
	if cap(p.buf) <= keptBuffer {
		o.packers.Put(p)
	}
}

// Servers tells how each server is doing, in the order of preference.
func (o *Output) Servers() []ServerStatus {
	statuses := make([]ServerStatus, len(o.servers))
	for i, s := range o.servers {
		statuses[i] = s.status()
	}
	return statuses
}

// Close closes the connections. It waits for no server.
func (o *Output) Close(context.Context) error {
	o.closing.Lock()
	o.closed = true
	o.closing.Unlock()
	o.stop()
	o.probes.Wait()
	for _, s := range o.servers {
		s.close()
	}
	return nil
}

// deliver gives the request to the first server that takes it.
func (o *Output) deliver(ctx context.Context, cmd *nsq.Command) error {
	var failed []error // by server, nil for those that were not tried
	for {
		s, claimed := o.next(failed)
		if s < 0 {
			return o.failure(failed)
		}
		limit, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
		err := o.servers[s].publish(limit, cmd, claimed)
		cancel()
		if err == nil {
			return nil
		}
		if failed == nil {
			failed = make([]error, len(o.servers))
		}
		failed[s] = err
	}
}

// next returns the index of the server to try next, -1 if there is none. Of
// those that are not up, it has claimed it.
func (o *Output) next(failed []error) (index int, claimed bool) {
	for i, s := range o.servers {
		if failed != nil && failed[i] != nil {
			continue
		}
		if ok, claimed := s.usable(); ok {
			return i, claimed
		}
	}
	now := time.Now()
	for i, s := range o.servers {
		if s.claimRested(now) {
			return i, true
		}
	}
	return -1, false
}

func (o *Output) failure(failed []error) error {
	faults := &multierror.Error{ErrorFormat: func(errs []error) string {
		text := ""
		for i, err := range errs {
			if i > 0 {
				text += "; "
			}
			text += err.Error()
		}
		return text
	}}
	for i, s := range o.servers {
		err := error(nil)
		if failed != nil {
			err = failed[i]
		}
		if err == nil {
			err = errors.New(s.status().LastError)
		}
		faults = multierror.Append(faults, fmt.Errorf("nsqd %s: %w", s.addr, err))
	}
	return faults
}
