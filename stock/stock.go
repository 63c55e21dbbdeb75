// Package stock has the real parts of an agent, and puts the stock agent
// together from a config file.
//
// There are three ways in. [Run] is the whole program, with its HTTP API:
//
//	return stock.Run(ctx, "/etc/agent.conf", agent.WithCollector("QUEUE", 10*time.Second, queue))
//
// [NewService] is the same in two steps, for a program that reloads the config.
// [Open] is the agent without the API, for a program that serves it itself:
//
//	a, err := stock.Open("/etc/agent.conf", agent.WithCollector("QUEUE", 10*time.Second, queue))
//	if err != nil {
//		return err // everything that is wrong with the file, line by line
//	}
//	defer a.Close()
//	http.Handle("/agent/", http.StripPrefix("/agent", a.Handler()))
//	return a.Run(ctx)
//
// If your own server should let callers on the host control the agent, set its ConnContext
// to [agent.ConnContext]. The agent then recognizes the users of plugins, who may not.
//
// All three take options of your own. A registry, output, store or plugin runner among them
// replaces that of the config, which is not made. Its keys may be missing.
//
// If you want only some of the parts, make them one by one, with [NSQOutput] for
// example, and give them to [agent.New].
//
//	config    config.go readconfig.go; checked by checkconfig.go checkfiles.go; showconfig.go
//	          sample.go; connect.go (agent check --connect)
//	parts     registry.go fleet.go output.go outputswitch.go spool.go gitrunner.go policy.go host.go
//	agent     stock.go (Open) advice.go plan.go; lent.go for parts of the caller
//	daemon    service.go (NewService, Run) log.go listen.go api.go statsd.go renew.go health.go;
//	          reload.go (Reload) adjust.go (what changes while the agent runs) keys.go (which can)
package stock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/internal/safefile"
)

const (
	// shutdownTimeout of the agent. With what comes before and after, the whole
	// stop stays below 10 s.
	shutdownTimeout = 7 * time.Second
	// closeTimeout bounds how long the parts of an agent take to close.
	closeTimeout = time.Second
)

// Run runs the agent of the config file at path, with more appended to its
// options, and serves its HTTP API, until ctx ends.
func Run(ctx context.Context, path string, more ...agent.Option) error {
	s, err := NewService(path, more...)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Agent is the agent of a config file. It does not serve its API by itself, and must be
// closed.
type Agent struct {
	*agent.Agent
	// Config is what the file says.
	Config Config

	output  *outputSwitch                 // nil: the caller's
	runner  *gitrunner.Runner             // nil: the caller's
	owned   *safedir.Owned                // the directories of plugins and data
	closers []func(context.Context) error // in the order in which things were opened
}

// Open makes the agent of the config file at path, with more appended to its
// options. Its error names everything that is wrong with the file or with more;
// nothing is open then.
func Open(path string, more ...agent.Option) (*Agent, error) {
	given, rest := agent.SplitOptions(more...)
	cfg, err := readConfig(path, true, given)
	if err != nil {
		return nil, err
	}
	log, err := openLog(cfg.Log)
	if err != nil {
		return nil, err
	}
	a, err := assemble(cfg, log, given, rest)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	a.closers = slices.Insert(a.closers, 0, func(context.Context) error { return log.Close() })
	return a, nil
}

// Close releases everything that [Open] has opened: the locks of directories, the spool, the
// processes that plugins left, and the log, which goes to standard error from then on. It
// is called when Run has returned, or in place of Run, and takes at most a second. It does
// not close the parts that were given to [Open]. It may be called more than once.
func (a *Agent) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var wrong []error
	for _, closePart := range slices.Backward(a.closers) {
		wrong = append(wrong, closePart(ctx))
	}
	a.closers = nil
	return errors.Join(wrong...)
}

// assemble makes an agent with the given parts, the config's parts where these are nil, and
// the rest of the options. If that fails, it closes everything that it has opened.
func assemble(cfg Config, log *serviceLog, given agent.Parts, rest agent.Option) (*Agent, error) {
	a := &Agent{Config: cfg}
	if err := a.open(log, given, rest); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Agent) open(log *serviceLog, given agent.Parts, rest agent.Option) error {
	owned, err := safedir.Own(a.Config.dirs(given.PluginRunner == nil)...)
	if err != nil {
		return err
	}
	a.owned = owned
	a.closers = append(a.closers, func(context.Context) error { return owned.Close() })
	parts, err := a.parts(given, log.logger)
	if err != nil {
		return err
	}
	settings, err := a.Config.reconfigureOptions()
	if err != nil {
		return err
	}
	a.Agent, err = agent.New(slices.Concat(a.Config.options(), settings, parts, HostCollectors(hostConfig(a.Config, log.logger)), []agent.Option{
		agent.WithLogger(log.logger),
		agent.WithAuditLog(log.audit),
		rest,
	})...)
	return err
}

// parts returns the options of the parts: the given ones, and the config's if none is given.
// It opens files last.
func (a *Agent) parts(given agent.Parts, logger *slog.Logger) (options []agent.Option, err error) {
	if given.Registry == nil {
		cfg := RegistryConfig{Logger: logger, DataDir: filepath.Join(a.Config.DataDir(), "fleet")}
		cfg.Git.PluginsDir = a.Config.Agent.PluginsDir
		if given.Registry, err = a.Config.registry(cfg); err != nil {
			return nil, fmt.Errorf("agent.registryaddr: %w", err)
		}
	}
	options = append(options, agent.WithRegistry(given.Registry))
	if given.PluginRunner == nil {
		runner, err := newGitRunner(runnerConfig(a.Config, logger))
		if err != nil {
			return nil, err
		}
		a.closers = append(a.closers, runner.Close)
		a.runner, given.PluginRunner = runner.Runner, runner
	}
	options = append(options, agent.WithPluginRunner(given.PluginRunner))
	if given.Output == nil {
		output, err := outputOf(a.Config, logger)
		if err != nil {
			return nil, err
		}
		a.output = newOutputSwitch(output)
		given.Output = a.output
		a.closers = append(a.closers, given.Output.Close)
	}
	options = append(options, agent.WithOutput(given.Output))
	if given.Store == nil && a.Config.hasSpool() {
		if given.Store, err = Spool(spoolConfig(a.Config, logger)); err != nil {
			return nil, err
		}
		a.closers = append(a.closers, given.Store.Close)
	}
	if given.Store != nil {
		options = append(options, agent.WithStore(given.Store))
	}
	return options, nil
}

// options are those that need no part and hold for the life of an agent.
func (c Config) options() []agent.Option {
	options := []agent.Option{
		agent.WithStateDir(filepath.Join(c.DataDir(), "state")),
		agent.WithShutdownTimeout(shutdownTimeout),
		agent.WithDropAdvice(dropAdvice()),
	}
	if c.Agent.Hostname != "" {
		options = append(options, agent.WithHostname(c.Agent.Hostname))
	}
	if !c.API.Page {
		options = append(options, agent.WithoutPage())
	}
	return options
}

// reconfigureOptions are the options that [agent.Agent.Reconfigure] takes.
func (c Config) reconfigureOptions() ([]agent.Option, error) {
	pluginUsers, err := c.withPluginUsers()
	options := append(pluginUsers,
		agent.WithTags(c.Tags),
		agent.WithBufferSize(c.Output.BufferSize),
		agent.WithUpdateInterval(c.Agent.UpdateInterval),
		agent.WithWarnings(c.Warnings...),
		agent.WithMaxBody(c.API.MaxBody),
		agent.WithLocalControl(c.API.LocalControl),
		agent.WithAPIHosts(c.API.Hosts...),
		agent.WithAPINamespaces(c.API.Namespaces...),
	)
	if !c.Policy.Calls {
		options = append(options, agent.WithoutPluginCalls())
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
	return options, err
}
