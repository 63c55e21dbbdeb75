package stock

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"reflect"
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
	path    string
	given   agent.Parts  // parts of the embedder's
	lent    agent.Parts  // the same, as each agent gets them
	rest    agent.Option // and their other options
	log     *serviceLog
	passed  listeners   // that the program had already
	current *generation // of the goroutine of Run
	reloads chan chan error
	looks   chan chan *generation // answered with the current one
	ready   chan struct{}         // closed once the API is served and the agent runs
	done    chan struct{}         // closed when Run returns
}

// generation is what runs between two reloads.
type generation struct {
	config    Config
	listeners listeners
	security  *tls.Config
	agent     *Agent
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
	// A reload makes a new agent, and is no restart.
	given, rest := agent.SplitOptions(append([]agent.Option{agent.WithStarted(time.Now())}, more...)...)
	cfg, err := readConfig(path, true, given)
	if err != nil {
		return nil, err
	}
	log, err := openLog(cfg.Log)
	if err != nil {
		return nil, err
	}
	s := &Service{path: path, given: given, lent: lent(given), rest: rest, log: log, reloads: make(chan chan error), looks: make(chan chan *generation), ready: make(chan struct{}), done: make(chan struct{})}
	if s.passed, err = adopt(cfg, passed); err == nil {
		s.current, err = s.prepare(cfg, nil)
	}
	if err == nil {
		err = s.current.build(s)
	}
	if err != nil {
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
				return errors.Join(err, s.passed.close(), closeLent(s.given), s.log.Close())
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
	err := s.current.stop()
	s.current.listeners.removeFiles(s.passed)
	return errors.Join(err, s.passed.close(), closeLent(s.given), s.log.Close())
}

// Reload reads the config file again and puts it in force. Where that fails,
// what was in force stays so. It returns when that is done.
func (s *Service) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.reloads <- answer:
		return <-answer
	case <-s.done:
		return agent.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reload replaces the current generation by one of the config as it is now.
// fatal means that nothing runs any more.
func (s *Service) reload() (fatal bool, err error) {
	logger := s.log.logger
	cfg, err := readConfig(s.path, true, s.given)
	if err != nil {
		logger.Error("the config is not reloaded: it is wrong, and the one before stays in force", "error", err)
		return false, err
	}
	old := s.current
	if was := old.config.Agent.PIDFile; cfg.Agent.PIDFile != was {
		err := fmt.Errorf("agent.pidfile: an agent that runs does not move from %s to %s, where agent stop would look for it; stop it with the former and start it with the latter", was, cfg.Agent.PIDFile)
		logger.Error("the config is not reloaded: the one before stays in force", "error", err)
		return false, err
	}
	if err := s.log.reopen(cfg.Log); err != nil {
		logger.Error("the config is not reloaded: the one before stays in force", "error", err)
		return false, err
	}
	if done, err := s.adjust(old, cfg); err != nil {
		logger.Error("the config is not reloaded: the one before stays in force", "error", err)
		return false, errors.Join(err, s.log.reopen(old.config.Log))
	} else if done {
		logger.Info("the config is reloaded: nothing had to be restarted", "file", s.path)
		s.warn(cfg)
		return false, nil
	}
	next, err := s.prepare(cfg, old.listeners)
	if err != nil {
		logger.Error("the config is not reloaded: the one before stays in force", "error", err)
		return false, errors.Join(err, s.log.reopen(old.config.Log))
	}
	return s.replace(old, next)
}

// adjust puts the config in force in the generation that runs, if only the log
// and where the points go have changed. Where nothing has changed, files that the
// config names may have: that is not its business.
func (s *Service) adjust(g *generation, cfg Config) (done bool, err error) {
	logDiffers := g.config.Log != cfg.Log
	outputDiffers := !reflect.DeepEqual(g.config.Output, cfg.Output)
	if !logDiffers && !outputDiffers || !alike(g.config, cfg) || outputDiffers && g.agent.output == nil {
		return false, nil
	}
	if outputDiffers {
		output, err := outputOf(cfg, s.log.logger)
		if err != nil {
			return false, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := g.agent.output.replace(ctx, output); err != nil {
			s.log.logger.Warn("the output before did not close well", "error", err)
		}
	}
	g.config, g.agent.Config = cfg, cfg
	return true, nil
}

// alike tells whether the configs differ in the log, in which servers get the
// points and in how, and in nothing else.
func alike(old, next Config) bool {
	old.Log, old.Warnings = next.Log, next.Warnings
	fixed := old.Output
	old.Output = next.Output
	old.Output.Name, old.Output.BufferSize = fixed.Name, fixed.BufferSize
	old.Output.SpoolSize, old.Output.SpoolAge = fixed.SpoolSize, fixed.SpoolAge
	return reflect.DeepEqual(old, next)
}

// replace stops the old generation, which delivers or keeps what it has, and
// starts the next. The next cannot be built before: both have one spool.
func (s *Service) replace(old, next *generation) (fatal bool, err error) {
	logger := s.log.logger
	back, err := s.prepare(old.config, old.listeners)
	if err != nil {
		logger.Error("the config is not reloaded: the one before stays in force", "error", err)
		return false, errors.Join(err, next.listeners.close(), s.log.reopen(old.config.Log))
	}
	if err := old.stop(); err != nil {
		logger.Error("the agent before did not stop well", "error", err)
	}
	err = next.build(s)
	if err == nil {
		next.start(s)
		s.current = next
		old.listeners.removeFiles(next.listeners, s.passed)
		back.listeners.close()
		logger.Info("the config is reloaded", "file", s.path)
		s.warn(next.config)
		return false, nil
	}
	logger.Error("the config is not reloaded: the one before is in force again", "error", err)
	next.listeners.removeFiles(back.listeners, s.passed)
	s.log.reopen(old.config.Log)
	if again := back.build(s); again != nil {
		return true, fmt.Errorf("reload the config: %w; and the one before does not start any more: %w", err, again)
	}
	back.start(s)
	s.current = back
	return false, err
}

// prepare opens what a generation listens on.
func (s *Service) prepare(cfg Config, inherited listeners) (*generation, error) {
	security, err := cfg.API.tlsConfig()
	if err != nil {
		return nil, err
	}
	opened, err := listen(cfg, inherited, s.passed)
	if err != nil {
		return nil, err
	}
	return &generation{config: cfg, listeners: opened, security: security}, nil
}

// build makes the agent. Where it cannot, the listeners are closed.
func (g *generation) build(s *Service) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, g.listeners.close())
		}
	}()
	g.agent, err = assemble(g.config, s.log, s.lent, s.rest)
	return err
}

// start runs the agent and serves it.
func (g *generation) start(s *Service) {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel, g.ended = cancel, make(chan error, 1)
	go func() { g.ended <- g.agent.Run(ctx) }()
	warnOpen(g.config, s.log.logger)
	g.server = serveAPI(g.config.API, g.listeners, g.security, g.agent.Handler(), s.log.logger)
}

// stop ends requests first, so that what they brought is delivered, and then
// the agent.
func (g *generation) stop() error {
	err := g.server.Stop(requestGrace)
	g.cancel()
	ended := <-g.ended
	return errors.Join(err, ended, g.server.Wait(requestPatience), g.agent.Close())
}
