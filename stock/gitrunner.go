package stock

import (
	"context"
	"log/slog"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
)

// GitRunnerConfig says where plugins come from, and how they run. Its zero value
// installs nothing; [PluginRunner.RunDir] works.
type GitRunnerConfig struct {
	// PluginsDir is where plugins are installed. It is made if missing. Empty:
	// nothing can be installed.
	PluginsDir string
	// Git is the address that plugins are cloned from, with %s in place of the
	// plugin's path ORG/PROJECT. If the path of the template ends in an organisation
	// (git@host:org/%s.git), %s is the rest of the plugin's path, and other
	// organisations are refused. Instead of %s, %o can stand for ORG (with its
	// subgroups) and %p for PROJECT. git gets a password in the address by its
	// environment. Empty: nothing can be installed.
	Git string
	// GitUser is the user that git runs as if the agent is root. Empty:
	// agent-git if that user exists and Git needs no ssh keys, local
	// directories or git configuration of root's; else root.
	GitUser string
	// User that plugins run as if the agent is root; elsewhere they run as
	// the agent's own user. "dynamic" gives each namespace one of its own. Empty:
	// nobody.
	User string
	// Branch that is installed, if a repository has it; else the
	// repository's default branch is. Empty: release.
	Branch string
	// Hostname is the plugins' AGENT_HOSTNAME. Empty: the system's at the time of the run.
	Hostname string
	// MaxConcurrentInstalls is the number of plugins that are fetched at a
	// time. Zero or less: 4.
	MaxConcurrentInstalls int
	// GitTimeout is how long git may take to install or update one plugin.
	// Zero or less: 2 minutes.
	GitTimeout time.Duration
	// MaxSize bounds the transfer of a plugin, and its files on disk, in bytes. Zero
	// or less: 256 MiB.
	MaxSize int64
	// MaxFiles bounds the number of a plugin's files and directories. Zero or
	// less: 20,000.
	MaxFiles int
	// MaxProcesses that one run may have at a time, if a cgroup can
	// enforce it. Zero or less: 512.
	MaxProcesses int
	// MaxMemory that one run may use, in bytes, if a cgroup can enforce it.
	// Zero or less: 256 MiB.
	MaxMemory int64
	// MaxCPU is how many cores one run may use, if a cgroup can enforce it.
	// Zero or less: 1.
	MaxCPU float64
	// MaxState limits a plugin's own directory, in bytes. The directory is checked
	// before each run, and while the plugin runs after 1, 2, 4, 8 s and then every
	// 10 s. Zero or less: 1 GiB.
	MaxState int64
	// NoCgroup runs plugins without cgroups, and so without MaxProcesses, MaxMemory
	// and MaxCPU. False: cgroups are used if the host has them.
	NoCgroup bool
	// Policy says what may be installed and run. Its zero value allows everything;
	// its Calls is for the HTTP API.
	Policy PolicyConfig
	// Logger for messages that concern no single plugin. Nil: nothing is logged.
	Logger *slog.Logger
}

// PluginRunner is an [agent.PluginRunner] that must be closed: an agent closes it
// when it has run.
type PluginRunner interface {
	agent.PluginRunner
	agent.PluginInspector
	// RunDir runs the plugin in a directory that need not be installed,
	// exactly as Run would.
	RunDir(ctx context.Context, dir string, p agent.Plugin, args []string) (PluginRun, error)
	// Close waits until what is under way has ended, or ctx has.
	agent.Closer
}

// PluginRun is the result of one run of a plugin, with all its figures.
type PluginRun struct {
	// Format of its output and Mode, as its plugin.toml says. Empty: it does not say.
	Format, Mode string
	// Stdout is the plugin's standard output, or its first 64 KiB if it wrote too much.
	Stdout []byte
	// Stderr is the end of its standard error, at most 4 KiB.
	Stderr []byte
	// StdoutSize and StderrSize are how much it wrote, in bytes.
	StdoutSize, StderrSize int64
	// Duration from its start to the end of its last process.
	Duration time.Duration
	// CPU time of the plugin and its children.
	CPU time.Duration
	// PeakMemory in bytes. Zero: it is not known.
	PeakMemory int64
	// Leftover is the number of processes that it left when it exited, and
	// that were ended.
	Leftover int
	// Survivors are the processes that were still there after SIGKILL; nearly
	// always none.
	Survivors []int
	// Gone is closed when the Survivors have ended.
	Gone <-chan struct{}
}

// GitRunner returns a runner that fetches plugins from git repositories, and lets none of
// their processes outlive a run.
func GitRunner(cfg GitRunnerConfig) (PluginRunner, error) {
	runner, err := newGitRunner(cfg)
	if err != nil {
		return nil, err
	}
	return runner, nil
}

func newGitRunner(cfg GitRunnerConfig) (gitRunner, error) {
	runner, err := gitrunner.New(gitrunner.Config{
		PluginsDir: cfg.PluginsDir, Git: cfg.Git, GitUser: cfg.GitUser, User: cfg.User, Branch: cfg.Branch, Hostname: cfg.Hostname,
		MaxConcurrentInstalls: cfg.MaxConcurrentInstalls, GitTimeout: cfg.GitTimeout, MaxSize: cfg.MaxSize, MaxFiles: cfg.MaxFiles,
		MaxProcesses: cfg.MaxProcesses, MaxMemory: cfg.MaxMemory, MaxCPU: cfg.MaxCPU, MaxState: cfg.MaxState, NoCgroup: cfg.NoCgroup,
		Policy: cfg.Policy.policy(), Logger: cfg.Logger,
	})
	return gitRunner{runner}, err
}

// gitRunner is the runner of internal/gitrunner with public types.
type gitRunner struct{ *gitrunner.Runner }

func (r gitRunner) RunDir(ctx context.Context, dir string, p agent.Plugin, args []string) (PluginRun, error) {
	run, err := r.Runner.RunDir(ctx, dir, p, args)
	return PluginRun(run), err
}

// runnerConfig returns the part of the config about plugins.
func runnerConfig(cfg Config, logger *slog.Logger) GitRunnerConfig {
	return GitRunnerConfig{
		PluginsDir: cfg.Agent.PluginsDir,
		Git:        cfg.Agent.Git,
		GitUser:    cfg.Agent.GitUser,
		GitTimeout: cfg.Agent.GitTimeout,
		MaxSize:    cfg.Agent.GitMaxSize,
		MaxFiles:   cfg.Agent.GitMaxFiles,
		User:       cfg.Agent.PluginsUser,
		Branch:     cfg.Agent.Branch,
		Hostname:   cfg.Agent.Hostname,
		Policy:     cfg.Policy,
		Logger:     logger,
	}
}
