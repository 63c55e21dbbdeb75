package stock

import (
	"context"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/fileregistry"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/lodastack/agent/internal/httpregistry"
	"github.com/lodastack/agent/internal/nsqoutput"
	"github.com/lodastack/agent/internal/spool"
)

// Configs of the stock parts. Their fields are described where they are
// declared; the zero value of each is a default where it is not required.
type (
	NSQConfig          = nsqoutput.Config
	HTTPRegistryConfig = httpregistry.Config
	HostConfig         = hostmetrics.Config
	SpoolConfig        = spool.Config
	GitRunnerConfig    = gitrunner.Config
)

// NSQOutput returns an output that publishes to NSQ: to the first server that
// is alive. It connects when it is first written to.
func NSQOutput(cfg NSQConfig) (agent.Output, error) {
	output, err := nsqoutput.New(cfg)
	if err != nil {
		return nil, err
	}
	return output, nil
}

// Spool opens a store in cfg.Dir: what the output does not take is kept there
// on disk, and delivered later. See [agent.WithStore].
func Spool(cfg SpoolConfig) (agent.Store, error) {
	store, err := spool.Open(cfg)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// HTTPRegistry returns a lodastack registry, to be asked over HTTP.
func HTTPRegistry(cfg HTTPRegistryConfig) (agent.Registry, error) {
	registry, err := httpregistry.New(cfg)
	if err != nil {
		return nil, err
	}
	return registry, nil
}

// FileRegistry returns the registry that is the file at address, which has the
// form file:///PATH. It is read at every update.
func FileRegistry(address string) (agent.Registry, error) {
	return fileRegistry(fileregistry.Config{Address: address})
}

func fileRegistry(cfg fileregistry.Config) (agent.Registry, error) {
	registry, err := fileregistry.New(cfg)
	if err != nil {
		return nil, err
	}
	return registry, nil
}

// HostKind is a kind of measurement: its name, its default interval and its
// collector.
type HostKind = hostmetrics.Kind

// HostKinds returns the kinds of measurement that this system has: CPU, MEM,
// DISK, NET, FS and so on.
func HostKinds(cfg HostConfig) []HostKind { return hostmetrics.Kinds(cfg) }

// HostCollectors returns [HostKinds] as options of an agent.
func HostCollectors(cfg HostConfig) []agent.Option {
	var options []agent.Option
	for _, kind := range HostKinds(cfg) {
		if kind.Assigned != nil {
			options = append(options, agent.WithAssignmentCollector(kind.Name, kind.Every, kind.Assigned))
			continue
		}
		options = append(options, agent.WithCollector(kind.Name, kind.Every, kind.Collector))
	}
	return options
}

// PluginRun is all that is known of one run of a plugin.
type PluginRun = gitrunner.RunResult

// PluginRunner is an [agent.PluginRunner] that must be closed once its agent
// has run.
type PluginRunner interface {
	agent.PluginRunner
	agent.PluginInspector
	// RunDir runs the plugin in a directory that need not be installed,
	// exactly as Run would.
	RunDir(ctx context.Context, dir string, p agent.Plugin, args []string) (PluginRun, error)
	// Close waits until what is under way has ended, or ctx has.
	Close(ctx context.Context) error
}

// GitRunner returns a runner of plugins that come out of git repositories and
// leave no process behind.
func GitRunner(cfg GitRunnerConfig) (PluginRunner, error) {
	runner, err := gitrunner.New(cfg)
	if err != nil {
		return nil, err
	}
	return runner, nil
}
