// Package stock has the real parts of an agent, and puts the stock agent
// together from a config file.
//
// An agent with a collector of one's own beside everything the stock one does:
//
//	options, err := stock.Load("/etc/agent.conf")
//	if err != nil {
//		return err // everything that is wrong with the file, line by line
//	}
//	options = append(options, agent.WithCollector("QUEUE", 10*time.Second, queue))
//	a, err := agent.New(options...)
//	if err != nil {
//		return err
//	}
//	return a.Run(ctx)
//
// The same with the HTTP API, and ready for a reload, is one call:
//
//	return stock.Run(ctx, "/etc/agent.conf", agent.WithCollector("QUEUE", 10*time.Second, queue))
//
// Who wants only some of the parts takes them one by one, [NSQOutput] for
// example, and gives them to [agent.New].
package stock

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// shutdownTimeout of the agent. With what comes before and after, the whole
// stop stays below 10 s.
const shutdownTimeout = 7 * time.Second

// Load reads the config file at path and returns the options of the agent that
// it describes, and then more. The options are good for one agent, which owns
// the parts that they name; a log file stays open until the program ends. See
// [Open] for what can be closed, and [Run] for an agent with its HTTP API.
func Load(path string, more ...agent.Option) ([]agent.Option, error) {
	s, err := Open(path, more...)
	if err != nil {
		return nil, err
	}
	return s.Options, nil
}

// Stock is the agent of a config, in parts.
type Stock struct {
	Config Config
	Log    *Log
	// Options make the agent. They are good for one.
	Options []agent.Option

	ownsLog bool
	close   []func() error
}

// Open reads the config file at path and makes the parts of its agent. more
// are appended to its options.
func Open(path string, more ...agent.Option) (*Stock, error) {
	cfg, err := ReadConfig(path)
	if err != nil {
		return nil, err
	}
	return New(cfg, more...)
}

// New makes the parts of the agent that cfg describes. more are appended to
// its options.
func New(cfg Config, more ...agent.Option) (*Stock, error) {
	log, err := OpenLog(cfg.Log)
	if err != nil {
		return nil, err
	}
	s, err := build(cfg, log, more)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	s.ownsLog = true
	return s, nil
}

// Close releases what the agent, once it has run, does not: the log file, and
// what plugins were run with. The log then goes to standard error.
func (s *Stock) Close() error {
	var wrong []error
	for _, release := range s.close {
		wrong = append(wrong, release())
	}
	s.close = nil
	if s.ownsLog {
		wrong = append(wrong, s.Log.Close())
	}
	return errors.Join(wrong...)
}

// build makes the parts. What has to be opened comes last, so that nothing is
// left open where a part cannot be made.
func build(cfg Config, log *Log, more []agent.Option) (*Stock, error) {
	s := &Stock{Config: cfg, Log: log}
	logger := log.Logger
	registry, err := registryOf(cfg, logger)
	if err != nil {
		return nil, err
	}
	if err := makeDataDir(cfg.DataDir()); err != nil {
		return nil, err
	}
	output, err := outputOf(cfg, logger)
	if err != nil {
		return nil, err
	}
	s.Options = []agent.Option{
		agent.WithLogger(logger),
		agent.WithRegistry(registry),
		agent.WithOutput(output),
		agent.WithStateDir(filepath.Join(cfg.DataDir(), "state")),
		agent.WithBufferSize(cfg.Output.BufferSize),
		agent.WithUpdateInterval(cfg.Agent.UpdateInterval),
		agent.WithShutdownTimeout(shutdownTimeout),
	}
	if cfg.Agent.Hostname != "" {
		s.Options = append(s.Options, agent.WithHostname(cfg.Agent.Hostname))
	}
	s.Options = append(s.Options, HostCollectors(hostConfig(cfg, logger))...)
	s.Options = append(s.Options, more...)
	return s, nil
}

// makeDataDir makes the directory of what the agent remembers, which nobody
// else may look into.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("agent.datadir: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("agent.datadir: %w", err)
	}
	return nil
}

// registryOf makes the registry that the config names.
func registryOf(cfg Config, logger *slog.Logger) (agent.Registry, error) {
	if strings.HasPrefix(cfg.Agent.RegistryAddr, "file:") {
		return FileRegistry(cfg.Agent.RegistryAddr)
	}
	if _, err := url.Parse(cfg.Agent.RegistryAddr); err != nil {
		return nil, fmt.Errorf("agent.registryaddr: %w", err)
	}
	return HTTPRegistry(HTTPRegistryConfig{URL: cfg.Agent.RegistryAddr, Logger: logger})
}

// hostConfig says what of the host is measured.
func hostConfig(cfg Config, logger *slog.Logger) HostConfig {
	return HostConfig{
		InterfacePrefixes: cfg.Agent.IfacePrefix,
		CoredumpDir:       cfg.Coredump.Dir,
		NTPServers:        cfg.Time.Servers,
		StateDir:          filepath.Join(cfg.DataDir(), "host"),
		Logger:            logger,
	}
}
