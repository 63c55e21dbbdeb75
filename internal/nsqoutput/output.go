// Package nsqoutput is the agent's output to NSQ.
//
//	batch ─► packer ─► request ─► server 1 (up)
//	         points      │ or ──► server 2 (trial)
//	         messages    │ or ──► server 3 (down, rested)
//
// A batch is packed into messages, and the messages into one request if
// possible. The request goes to the first server that accepts it. A server that
// fails is not used for a while (see [agent.ServerDown]). So a dead or hung server
// sometimes delays a batch, but loses none.
//
// Nothing runs while nothing is written: the first Write opens connections,
// there are no heartbeats, and a server that is down is probed when there is
// something to write.
package nsqoutput

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/lodastack/agent"
)

// Output publishes batches to NSQ. It is safe for concurrent use.
//
// Each Output prefers one of its servers, chosen at random when it is made.
// While that server is down, it uses the next one in the config. So the agents
// of many hosts spread over the servers, and each has connections to one server
// only.
type Output struct {
	cfg     Config
	servers []*server // the preferred one first
	limits  *limits
	written written
	packers sync.Pool // of *packer; garbage collection frees the buffers of large batches

	probing context.Context // ends with Close
	stop    context.CancelFunc
	probes  sync.WaitGroup
	mu      sync.Mutex // owns closed, and adding to probes
	closed  bool
}

var (
	_ agent.Output          = (*Output)(nil)
	_ agent.OutputInspector = (*Output)(nil)
)

// New returns an Output, which connects at the first Write. The error contains
// everything that is wrong with cfg.
func New(cfg Config) (*Output, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("NSQ output: %w", err)
	}
	if cfg.Hostname == "" {
		cfg.Hostname, _ = os.Hostname()
	}
	o := &Output{cfg: cfg, limits: newLimits(cfg.MaxMessageSize, cfg.Logger)}
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

// Write publishes the batch in as few messages as possible and returns nil when
// nsqd has acknowledged all of them. What nsqd calls too big is sent again in
// smaller pieces, down to single points.
//
// Points that can never be written, because no message can hold them or because
// the servers refuse them, do not stop the others. They are logged. If none is
// left, the error is an [*agent.PermanentError]. Any other error names each
// server with its reason, and some points may already have been written.
func (o *Output) Write(ctx context.Context, b agent.Batch) error {
	topic, err := o.topic(b.Namespace)
	if err != nil {
		return err
	}
	p := o.packers.Get().(*packer)
	defer o.packers.Put(p)

	var refused refusals
	for rest := b.Metrics; len(rest) > 0; {
		before := refused
		p.limits = o.limits.sizes()
		taken := p.pack(topic, rest, &refused)
		if p.messages == 0 {
			rest = rest[taken:]
			continue
		}
		server, err := o.deliver(ctx, p.command(topic), p.points > 1)
		var tooBig *tooBigError
		if errors.As(err, &tooBig) {
			o.limits.shrink(tooBig.refusal, p.sent(), p.messages)
			refused = before
			continue // with the same points
		}
		rest = rest[taken:]
		var permanent *agent.PermanentError
		if errors.As(err, &permanent) {
			refused.add(p.points, permanent.Reason, permanent.Err)
		} else if err != nil {
			return fmt.Errorf("publish to topic %s: %w", topic, err)
		} else {
			o.written.note(agent.TopicDetails{Namespace: b.Namespace, Topic: topic, Server: server, Time: time.Now()})
			if o.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
				o.cfg.Logger.Debug("points published", slog.String("topic", topic),
					slog.Int("points", p.points), slog.Int("messages", p.messages), slog.Int("bytes", p.sent().body))
			}
		}
	}
	if refused.points > 0 {
		return &agent.PermanentError{Reason: refused.reason, Points: refused.points, Err: refused.first}
	}
	return nil
}

// Servers returns the state of each server, in the order of preference.
func (o *Output) Servers() []agent.ServerDetails {
	statuses := make([]agent.ServerDetails, len(o.servers))
	for i, s := range o.servers {
		statuses[i] = s.health.status()
	}
	return statuses
}

// InspectOutput implements [agent.OutputInspector].
func (o *Output) InspectOutput() agent.OutputDetails {
	details := agent.OutputDetails{Servers: o.Servers(), Topics: o.written.details()}
	for _, s := range details.Servers {
		if s.State == agent.ServerDown || s.State == agent.ServerTrial {
			details.Problems = append(details.Problems, fmt.Sprintf("nsqd %s is %s: %s", s.Address, s.State, s.LastError))
		}
	}
	return details
}

// Close closes the connections. It does not wait for servers, so it ignores
// ctx. A Write after Close fails.
func (o *Output) Close(context.Context) error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.stop()
	o.probes.Wait()
	for _, s := range o.servers {
		s.close()
	}
	return nil
}
