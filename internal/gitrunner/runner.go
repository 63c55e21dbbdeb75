// Package gitrunner is an [agent.PluginRunner] that fetches plugins with the git program
// and runs each in a sandbox, so that none of its processes outlives a run.
//
//	PLUGINSDIR
//	├── NS/PROJECT         an installed plugin, replaced as a whole
//	│   ├── plugin         the program or script that is run
//	│   └── .git           readable only for the agent; also has the objects of
//	│                      former versions
//	├── .agent-heads       repositories of a fleet while they are read
//	├── .agent-clones      clones in the making, and old versions until the end of
//	│                      their last run
//	└── .agent-state       NS/PROJECT: the directory that a plugin may write to;
//	                       .tmp: the plugin's /tmp
//
//	Install, Update ──► remote ──► fetch ──► checkout ──► startable? ──► publish (slot)
//	                      └── git in a sandbox, as git's user, limited ──┘       │ rename
//	Run ──► slot: the installed version ──► sandbox ──► RunResult                ▼
//	                                                                        NS/PROJECT
//
//	runner, slot, session         the runner, an installed plugin, the directory for clones
//	install, fetch, remote        installing and updating; release: the record of a version
//	search, keep, rollback        finding a commit; keeping former versions, returning to one
//	git, gitenv, gituser, login   calls of git: environment, user, passwords; address: the template
//	limits, takeover              limits of git; giving its files to the agent's user
//	signed                        verifying signatures
//	executable, startable         can the version start? elf, binfmt, noexec
//	run, command, inspect, owner, credentials  running plugins, their details, and their user;
//	                                  rules: how they run; dynamic: a user for each namespace
//	state, statesize, view, envfile   a plugin's own directory, its limit, the files of others
//	                                  that it sees, its secret variables
//	exchange                      swapping two directories
//	repository, headfiles         reading the files of a repository: nothing of it is run
//
// Installing needs the git program (2.20 or newer). ssh keys, credential
// helpers and protocols work as they do for git's user, except that git never
// asks for input.
package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/policy"
	"github.com/lodastack/agent/internal/sandbox"
)

// Config says where plugins come from and how they run. stock.GitRunnerConfig
// has the same fields and describes them in full.
type Config struct {
	// PluginsDir is where plugins are installed. Empty: only [Runner.RunDir]
	// works.
	PluginsDir string
	// Git is the address to clone from, with %s, or with %o and %p. Empty:
	// nothing can be installed.
	Git string
	// GitUser is the user that git runs as if the agent is root. Empty:
	// [DefaultGitUser] if possible, else root.
	GitUser string
	// User that plugins run as if the agent is root: a name, or [DynamicUser].
	// Empty: nobody.
	User string
	// Branch to install. Empty: release.
	Branch string
	// Hostname is the plugins' AGENT_HOSTNAME. Empty: the system's at the time of the run.
	Hostname string
	// MaxConcurrentInstalls is how many plugins are fetched at a time. Zero: 4.
	MaxConcurrentInstalls int
	// GitTimeout is the time for installing or updating one plugin. Zero: 2
	// minutes.
	GitTimeout time.Duration
	// MaxSize limits the transfer and the files of a plugin, in bytes. Zero:
	// 256 MiB.
	MaxSize int64
	// MaxFiles limits the files and directories of a plugin. Zero: 20,000.
	MaxFiles int
	// MaxProcesses limits the processes of one run. Zero: 512.
	MaxProcesses int
	// MaxMemory limits the memory of one run, in bytes. Zero: 256 MiB.
	MaxMemory int64
	// MaxCPU is how many cores one run may use, if a cgroup can enforce it.
	// Zero means 1.
	MaxCPU float64
	// MaxState limits a plugin's own directory, in bytes. Zero: 1 GiB.
	MaxState int64
	// NoCgroup runs plugins and git without cgroups.
	NoCgroup bool
	// Policy says what may be installed and run. Its zero value allows everything.
	Policy policy.Policy
	// Logger for messages that concern no single plugin. Nil: no logging.
	Logger *slog.Logger
}

// Runner installs and runs plugins. Its methods may be called concurrently.
type Runner struct {
	client        // of plugins' repositories; without a template, nothing can be installed
	config        Config
	rules         atomic.Pointer[rules]
	dynamic       *dynamicUsers // users of plugins that no owner is named for
	pluginSandbox *sandbox.Supervisor
	session       *session // nil without PluginsDir
	installs      chan struct{}
	noNetwork     func() error // nil if plugins can run without a network
	above         sync.Map     // plugin's directory → []string, see sharedAbove
	looks         sync.Map     // plugin's state → time.Time of the next look, see stateFits

	mu    sync.Mutex
	slots map[string]*slot      // guarded by mu: by directory
	runs  map[*runUnderWay]bool // guarded by mu
	trial string                // guarded by mu: the state root of a runner without PluginsDir; empty: not made yet
}

var (
	_ agent.PluginRunner     = (*Runner)(nil)
	_ agent.PluginInspector  = (*Runner)(nil)
	_ agent.PluginRemover    = (*Runner)(nil)
	_ agent.PluginRollbacker = (*Runner)(nil)

	_ agent.PluginDaemonRunner = (*Runner)(nil)
)

// New checks the config and prepares for running plugins. On Linux without
// cgroups, it makes the calling program a subreaper. It removes unfinished work
// of an earlier run of the program.
func New(config Config) (*Runner, error) {
	config = withDefaults(config)
	r := &Runner{config: config, slots: map[string]*slot{}, runs: map[*runUnderWay]bool{}, installs: make(chan struct{}, config.MaxConcurrentInstalls)}
	r.gitTimeout, r.maxSize, r.maxFiles = config.GitTimeout, config.MaxSize, config.MaxFiles
	r.called, r.sizeKey, r.filesKey = "agent.git", "agent.gitmaxsize", "agent.gitmaxfiles"
	var problems []error
	var err error
	if config.Git != "" {
		if r.template, err = parseTemplate(config.Git); err != nil {
			problems = append(problems, fmt.Errorf("agent.git: %w", err))
		}
	}
	if err := CheckBranch(config.Branch); err != nil {
		problems = append(problems, fmt.Errorf("agent.branch: %w", err))
	}
	owners, err := lookupOwners(config.User, config.Policy, os.Geteuid())
	if err != nil {
		problems = append(problems, err)
	}
	if r.gitUser, err = lookupGitUser(config.GitUser, config.User, r.template, os.Geteuid()); err != nil {
		problems = append(problems, fmt.Errorf("agent.gituser: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	r.rules.Store(&rules{config.Policy, owners})
	r.config.Policy = policy.Policy{} // the rules have it
	r.dynamic = newDynamicUsers()
	for _, o := range owners {
		if o.warning != "" {
			config.Logger.Warn(o.warning)
		}
	}
	r.ssh = sync.OnceValue(r.sshEnv)
	r.noNetwork = sync.OnceValue(sandbox.CheckNoNetwork)
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.Close(context.Background()))
	}
	return r, nil
}

// defaultUser is the user of plugins if the config names none.
const defaultUser = "nobody"

func withDefaults(config Config) Config {
	if config.User == "" {
		config.User = defaultUser
	}
	if config.Branch == "" {
		config.Branch = "release"
	}
	if config.MaxConcurrentInstalls <= 0 {
		config.MaxConcurrentInstalls = 4
	}
	if config.GitTimeout <= 0 {
		config.GitTimeout = 2 * time.Minute
	}
	if config.MaxSize <= 0 {
		config.MaxSize = 256 << 20
	}
	if config.MaxFiles <= 0 {
		config.MaxFiles = 20_000
	}
	if config.MaxProcesses <= 0 {
		config.MaxProcesses = 512
	}
	if config.MaxMemory <= 0 {
		config.MaxMemory = 256 << 20
	}
	if config.MaxCPU <= 0 {
		config.MaxCPU = 1
	}
	if config.MaxState <= 0 {
		config.MaxState = 1 << 30
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return config
}

// maxGitProcesses is the limit of processes and threads of one call of git,
// with those of ssh, credential helpers and filters.
const maxGitProcesses = 128

// open acquires what Close releases.
func (r *Runner) open() (err error) {
	// First the sandboxes: they end what a killed agent has left, which writes to its
	// session.
	if r.gitSandbox, err = openGitSandbox(r.config.NoCgroup, r.config.Logger); err != nil {
		return err
	}
	config := sandboxConfig(r.config.NoCgroup)
	config.Logger, config.MaxOutputs = r.config.Logger.With("commands", "plugins"), maxOutputs
	config.Limits = sandbox.Limits{Processes: r.config.MaxProcesses, Memory: r.config.MaxMemory, CPU: r.config.MaxCPU}
	if r.pluginSandbox, err = sandbox.Open(config); err != nil {
		return fmt.Errorf("preparing to run plugins: %w", err)
	}
	if r.config.PluginsDir != "" {
		if r.session, err = openSession(r.config.PluginsDir, sessionsName); err != nil {
			return err
		}
		r.gitDir = r.session.dir
		if err := r.gitUser.checkAccess(r.session.dir); err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(r.config.PluginsDir, stateName, coverName)); err != nil {
			return fmt.Errorf("removing what an earlier run has left: %w", err)
		}
		if err := r.dynamic.recall(r.config.PluginsDir); err != nil {
			return err
		}
	}
	return nil
}

func sandboxConfig(noCgroup bool) sandbox.Config {
	return sandbox.Config{Umask: 0o022, NoNewPrivs: true, NoCgroup: noCgroup}
}

// openGitSandbox prepares for calls of git.
func openGitSandbox(noCgroup bool, logger *slog.Logger) (*sandbox.Supervisor, error) {
	config := sandboxConfig(noCgroup)
	config.Logger = logger.With("commands", "git")
	config.Limits = sandbox.Limits{Processes: maxGitProcesses, Memory: gitMemory}
	supervisor, err := sandbox.Open(config)
	if err != nil {
		return nil, fmt.Errorf("preparing to run git: %w", err)
	}
	return supervisor, nil
}

// Close waits until ctx ends for runs and installs to end. It may be called
// more than once.
func (r *Runner) Close(ctx context.Context) error {
	var errs []error
	for _, w := range []*sandbox.Supervisor{r.pluginSandbox, r.gitSandbox} {
		if w != nil {
			errs = append(errs, w.Close(ctx))
		}
	}
	if r.session != nil {
		errs = append(errs, r.session.close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trial != "" {
		errs = append(errs, os.RemoveAll(r.trial))
	}
	return errors.Join(errs...)
}
