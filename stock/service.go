package stock

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/httpserver"
)

const (
	// requestGrace is what requests under way get when a server stops.
	requestGrace = time.Second
	// requestPatience is how long the end of requests is awaited that go on
	// when their connection is closed and the agent has stopped.
	requestPatience = 500 * time.Millisecond
)

// Service is an agent as a daemon: with its log and its HTTP API, made from a
// config file that can be read again while it runs.
type Service struct {
	path         string
	given        agent.Parts  // parts of the embedder's
	lent         agent.Parts  // the same, as each agent gets them
	rest         agent.Option // and their other options
	log          *serviceLog
	statsd       *statsdListener
	passed       listeners   // that the program had already
	current      *generation // of the goroutine of Run
	listenStatsd func()      // called once the agent runs
	reloads      chan chan error
	looks        chan chan *generation // answered with the current one
	ready        chan struct{}         // closed once the API is served and the agent runs
	done         chan struct{}         // closed when Run returns
}

// generation is what runs between two reloads. Once it is served, it does not change: what a
// reload changes without a restart makes another one, which has the same agent.
type generation struct {
	config    Config
	values    values
	listeners listeners
	security  *tls.Config
	agent     *Agent
	handler   http.Handler // of agent
	server    *httpserver.Server
	cancel    context.CancelFunc
	ended     chan error // of the agent's Run
}

// NewService reads the config file, opens the log, makes the agent with more
// appended to its options, and starts to listen. It must be run, and only once.
func NewService(path string, more ...agent.Option) (*Service, error) {
	return NewServiceOn(path, nil, more...)
}

// NewServiceOn is [NewService] for a program that has listeners already, such as
// those of systemd's socket activation: one of TCP at agent.listen, and one of a
// unix socket at api.socket. The service closes them when it ends, does not remove
// the socket's file, and listens itself on what is not among them.
func NewServiceOn(path string, passed []net.Listener, more ...agent.Option) (_ *Service, err error) {
	defer func() {
		for _, listener := range passed {
			if err != nil {
				err = errors.Join(err, ignoreClosed(listener.Close()))
			}
		}
	}()
	statsd := new(statsdListener)
	// A reload makes a new agent, and is no restart.
	given, rest := agent.SplitOptions(append([]agent.Option{agent.WithStarted(time.Now()), agent.WithStatsd(statsd.status)}, more...)...)
	cfg, values, err := readValues(path, given)
	if err != nil {
		return nil, err
	}
	log, err := openLog(cfg.Log)
	if err != nil {
		return nil, err
	}
	s := &Service{path: path, given: given, lent: lent(given), rest: rest, log: log, statsd: statsd, reloads: make(chan chan error), looks: make(chan chan *generation), ready: make(chan struct{}), done: make(chan struct{})}
	statsd.logger = log.logger
	adoptStatsd, discardStatsd, err := statsd.prepare(cfg.Statsd)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	s.listenStatsd = adoptStatsd
	if s.passed, err = adopt(cfg, passed); err == nil {
		s.current, err = s.prepare(cfg, values, nil)
	}
	if err == nil {
		err = s.current.build(s)
	}
	if err != nil {
		discardStatsd()
		return nil, errors.Join(err, log.Close())
	}
	return s, nil
}

// Run runs until ctx ends, then stops and returns nil, or says what could not
// be stopped or delivered in time. At the end it closes the parts that were given
// to [NewService], as [agent.Agent.Run] does.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.done)
	s.warn(s.current.config)
	s.current.start(s)
	s.listenStatsd()
	starting := s.current.agent.Started()
	var renewal renewal
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	for {
		select {
		case <-starting:
			starting = nil
			close(s.ready)
		case look := <-s.looks:
			look <- s.current
		case <-renew.C:
			renewal.look(s)
		case <-ctx.Done():
			return s.finish()
		case err := <-s.current.ended:
			s.current.ended <- err
			return s.finish()
		case answer := <-s.reloads:
			fatal, err := s.reload()
			if starting != nil {
				starting = s.current.agent.Started()
			}
			answer <- err
			if fatal {
				return errors.Join(err, s.statsd.stop(), s.passed.close(), closeLent(s.given), s.log.Close())
			}
		}
	}
}

// warn logs what whoever wrote the config should know.
func (s *Service) warn(cfg Config) {
	for _, warning := range cfg.Warnings {
		s.log.logger.Warn("config", "file", s.path, "warning", warning)
	}
}

// finish stops everything.
func (s *Service) finish() error {
	err := s.current.stop(s.statsd.stop)
	s.current.listeners.removeFiles(s.passed)
	return errors.Join(err, s.passed.close(), closeLent(s.given), s.log.Close())
}

// prepare opens what a generation listens on.
func (s *Service) prepare(cfg Config, values values, inherited listeners) (*generation, error) {
	security, err := cfg.API.tlsConfig()
	if err != nil {
		return nil, err
	}
	opened, err := listen(cfg, inherited, s.passed)
	if err != nil {
		return nil, err
	}
	return &generation{config: cfg, values: values, listeners: opened, security: security}, nil
}

// build makes the agent. Where it cannot, the listeners are closed.
func (g *generation) build(s *Service) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, g.listeners.close())
		}
	}()
	if g.agent, err = assemble(g.config, s.log, s.lent, s.rest); err == nil {
		g.handler = g.agent.Handler()
	}
	return err
}

// start runs the agent and serves it.
func (g *generation) start(s *Service) {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel, g.ended = cancel, make(chan error, 1)
	s.statsd.agent.Store(g.agent.Agent)
	go func() { g.ended <- g.agent.Run(ctx) }()
	g.serve(s)
}

// awaitStart returns when the agent runs or has ended.
func (g *generation) awaitStart() {
	select {
	case <-g.agent.Started():
	case err := <-g.ended:
		g.ended <- err
	}
}

// serve serves the agent's HTTP API.
func (g *generation) serve(s *Service) {
	warnOpen(g.config, s.log.logger)
	g.server = serveAPI(g.config.API, g.listeners, g.security, g.handler, s.log.logger)
}

// stop ends requests first, and what else brings points, so that these are delivered, and
// then the agent.
func (g *generation) stop(endProducer func() error) error {
	produced := make(chan error, 1)
	go func() { produced <- endProducer() }()
	err := errors.Join(g.server.Stop(requestGrace), <-produced)
	g.cancel()
	ended := <-g.ended
	return errors.Join(err, ended, g.server.Wait(requestPatience), g.agent.Close())
}
