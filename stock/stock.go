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
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/fileregistry"
	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/internal/safefile"
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

	output  agent.Output   // closed by the agent
	store   agent.Store    // closed by the agent; nil without
	owned   *safedir.Owned // the directories of plugins and data
	release []func(context.Context) error
	ownsLog bool
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

// closePatience is how long closing waits for what plugins left.
const closePatience = time.Second

// Close releases what the agent, once it has run, does not: the directories of
// plugins and data, the log file, and what plugins were run with. The log then
// goes to standard error.
func (s *Stock) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	var wrong []error
	for _, release := range s.release {
		wrong = append(wrong, release(ctx))
	}
	s.release = nil
	wrong = append(wrong, s.owned.Close())
	if s.ownsLog {
		wrong = append(wrong, s.Log.Close())
	}
	return errors.Join(wrong...)
}

// abandon closes the parts of an agent that will not run.
func (s *Stock) abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	var wrong error
	if s.store != nil {
		wrong = s.store.Close(ctx)
	}
	return errors.Join(wrong, s.output.Close(ctx), s.Close())
}

// build makes the parts. What has to be opened comes last, and is closed again
// where another part cannot be made.
func build(cfg Config, log *Log, more []agent.Option) (s *Stock, err error) {
	s = &Stock{Config: cfg, Log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	registry, err := cfg.Registry(log.Logger)
	if err != nil {
		return s, err
	}
	if s.owned, err = safedir.Own(cfg.dirs()...); err != nil {
		return s, err
	}
	runner, err := GitRunner(runnerConfig(cfg, log.Logger))
	if err != nil {
		return s, err
	}
	s.release = append(s.release, runner.Close)
	output, err := outputOf(cfg, log.Logger)
	if err != nil {
		return s, err
	}
	s.output = output
	if s.store, err = storeOf(cfg, log.Logger); err != nil {
		return s, errors.Join(err, output.Close(context.Background()))
	}
	options := cfg.options()
	if s.store != nil {
		options = append(options, agent.WithStore(s.store))
	}
	s.Options = slices.Concat(options, []agent.Option{
		agent.WithLogger(log.Logger),
		agent.WithAuditLog(log.Audit),
		agent.WithRegistry(registry),
		agent.WithPluginRunner(runner),
		agent.WithOutput(output),
	}, HostCollectors(hostConfig(cfg, log.Logger)), more)
	return s, nil
}

// options are those that need no part.
func (c Config) options() []agent.Option {
	options := []agent.Option{
		agent.WithStateDir(filepath.Join(c.DataDir(), "state")),
		agent.WithBufferSize(c.Output.BufferSize),
		agent.WithUpdateInterval(c.Agent.UpdateInterval),
		agent.WithShutdownTimeout(shutdownTimeout),
		agent.WithWarnings(c.Warnings...),
		agent.WithMaxBody(c.API.MaxBody),
		agent.WithAPIHosts(c.API.Hosts...),
		agent.WithAPINamespaces(c.API.Namespaces...),
	}
	if c.Agent.Hostname != "" {
		options = append(options, agent.WithHostname(c.Agent.Hostname))
	}
	if path := c.API.TokenFile; path != "" {
		options = append(options, agent.WithControlToken(func() string {
			if safefile.CheckFile(path, true) != nil {
				return "" // while others may read or change it, no token is good
			}
			token, _ := readSecret(path) // nor while it cannot be read
			return token
		}))
	}
	return options
}

// Registry makes the registry that the config names, without asking it
// anything. logger may be nil.
func (c Config) Registry(logger *slog.Logger) (agent.Registry, error) {
	if strings.HasPrefix(c.Agent.RegistryAddr, "file:") {
		registry := fileregistry.Config{Address: c.Agent.RegistryAddr, Logger: logger}
		if c.Output.Name == OutputNSQ {
			registry.TopicPrefix = c.Output.TopicPrefix
		}
		return fileRegistry(registry)
	}
	return HTTPRegistry(HTTPRegistryConfig{URL: c.Agent.RegistryAddr, Logger: logger})
}

// HostConfig returns what the config says about measuring the host. It lacks
// the StateDir, so that a collector made of it changes nothing, and the Logger.
func (c Config) HostConfig() HostConfig {
	host := HostConfig{
		InterfacePrefixes: c.Agent.IfacePrefix,
		CoredumpDir:       c.Coredump.Dir,
		Disable:           slices.Clone(c.Collect.Disable),
	}
	switch {
	case len(c.Time.Servers) == 0:
		host.Disable = append(host.Disable, "TIME")
	case !slices.Equal(c.Time.Servers, DefaultConfig().Time.Servers):
		host.NTPServers = c.Time.Servers
	}
	return host
}

// hostConfig is the [Config.HostConfig] of an agent that runs.
func hostConfig(cfg Config, logger *slog.Logger) HostConfig {
	host := cfg.HostConfig()
	host.StateDir, host.Logger = filepath.Join(cfg.DataDir(), "host"), logger
	return host
}

// runnerConfig says where plugins come from and how they run.
func runnerConfig(cfg Config, logger *slog.Logger) GitRunnerConfig {
	hostname := cfg.Agent.Hostname
	if hostname == "" {
		hostname, _ = os.Hostname() // plugins are not told what is not known
	}
	return GitRunnerConfig{
		PluginsDir: cfg.Agent.PluginsDir,
		Git:        cfg.Agent.Git,
		User:       cfg.Agent.PluginsUser,
		Branch:     cfg.Agent.Branch,
		Hostname:   hostname,
		Logger:     logger,
	}
}
