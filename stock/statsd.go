package stock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/statsd"
	"github.com/lodastack/agent/internal/topic"
)

// StatsdConfig is the section statsd.
type StatsdConfig struct {
	// Listen is HOST:PORT for UDP, or the absolute path of a unix datagram socket, of
	// at most 107 bytes. Empty, the default: nobody listens.
	Listen string
	// Namespace that the metrics go to. Empty, the default: the host's only one.
	Namespace string
}

func (c StatsdConfig) check(note noteFault, topicPrefix string) {
	if c.Listen != "" {
		note("statsd.listen", statsd.CheckListen(c.Listen))
	}
	if c.Namespace == "" {
		return
	}
	note("statsd.namespace", topic.CheckNamespace(topicPrefix, c.Namespace))
	if c.Listen == "" {
		note("statsd.namespace", errors.New("set, but statsd.listen is not"))
	}
}

// open reports whether other hosts can send.
func (c StatsdConfig) open() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && !isLoopback(host)
}

// statsdFlushTimeout bounds how long a stop waits until what statsd has gathered is safe.
const statsdFlushTimeout = time.Second

// statsdListener is a service's listener for statsd. It outlives the service's agents: what
// it gathers while a reload replaces one goes to the next.
type statsdListener struct {
	logger *slog.Logger
	agent  atomic.Pointer[agent.Agent] // that gets the metrics now
	server atomic.Pointer[statsd.Server]

	// Of the goroutine of the service.
	config StatsdConfig
	socket *statsd.Socket // nil: nobody listens
}

// status is for [agent.WithStatsd].
func (l *statsdListener) status() *agent.StatsdStatus {
	if server := l.server.Load(); server != nil {
		return server.Status()
	}
	return nil
}

// prepare opens the socket of cfg if it is another one. It returns a function that puts cfg
// in force, which cannot fail, and one that gives it up.
func (l *statsdListener) prepare(cfg StatsdConfig) (adopt, discard func(), err error) {
	if cfg == l.config {
		return func() {}, func() {}, nil
	}
	socket := l.socket
	if cfg.Listen != l.config.Listen {
		socket = nil
	}
	if socket == nil && cfg.Listen != "" {
		if socket, err = statsd.Listen(cfg.Listen); err != nil {
			return nil, nil, fmt.Errorf("statsd.listen: %w", err)
		}
	}
	adopt = func() { l.adopt(cfg, socket) }
	discard = func() {
		if socket != nil && socket != l.socket {
			_ = socket.Close() // nothing was read from it
		}
	}
	return adopt, discard, nil
}

// adopt ends what listens, which sends what it has gathered, and listens on the socket.
func (l *statsdListener) adopt(cfg StatsdConfig, socket *statsd.Socket) {
	if err := l.end(socket); err != nil {
		l.logger.Warn("the statsd listener before did not stop well", "error", err)
	}
	l.config, l.socket = cfg, socket
	if socket == nil {
		return
	}
	l.server.Store(statsd.Start(socket, statsd.Config{
		Agent:     func() statsd.Agent { return l.agent.Load() },
		Namespace: cfg.Namespace,
		Logger:    l.logger,
	}))
}

// end ends what listens, and closes its socket unless that is the next one, too.
func (l *statsdListener) end(next *statsd.Socket) error {
	server := l.server.Swap(nil)
	if server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsdFlushTimeout)
	defer cancel()
	err := server.Stop(ctx)
	if l.socket != next {
		err = errors.Join(err, l.socket.Close())
	}
	return err
}

// stop ends what listens. The agent must still run.
func (l *statsdListener) stop() error {
	err := l.end(nil)
	l.config, l.socket = StatsdConfig{}, nil
	return err
}
