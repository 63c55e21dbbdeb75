package stock

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/fileregistry"
	"github.com/lodastack/agent/internal/gitregistry"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/httpregistry"
	"github.com/lodastack/agent/internal/statefile"
	"github.com/lodastack/agent/internal/systemca"
)

// RegistryConfig is the address of a registry, and how to ask it.
type RegistryConfig struct {
	// Address is http://… or https://… for a lodastack registry, which may have
	// a path of its own; file:///PATH for a registry file, which is read at
	// every update and seconds after a change, and need not be there yet; or git+ and
	// the address of a fleet repository as git takes it, with #BRANCH if it is not the
	// default branch. Required.
	Address string
	// Git says how to fetch a fleet repository. Its Git, Branch and the limits of plugins
	// have no meaning here. Its PluginsDir is where the repository is while it is read;
	// empty: the directory for temporary files. With Policy.Signers, one of them must
	// have signed the head.
	Git GitRunnerConfig
	// DataDir is where the last head of a fleet repository is kept, so that a restart
	// neither fetches it again nor accepts an older one that is signed. Empty: nowhere.
	DataDir string
	// Timeout bounds one request to a lodastack registry, with all of its
	// answer. Zero: 10 s. It cannot be negative.
	Timeout time.Duration
	// RootCAs may sign the certificate of a lodastack registry. Nil: those that
	// the system trusts when the registry is made. HTTPClient has its own.
	RootCAs *x509.CertPool
	// HTTPClient makes the requests to a lodastack registry, for example with client
	// certificates or a proxy. Its CheckRedirect is replaced. Nil: a client that keeps
	// no connection from one update to the next.
	HTTPClient *http.Client
	// TopicPrefix is that of [NSQConfig]. A namespace whose topic NSQ would refuse is a
	// fault of a registry file. Empty: no prefix.
	TopicPrefix string
	// Logger for each reading, and for unknown parts of answers, at DEBUG. Nil:
	// nothing is logged.
	Logger *slog.Logger
}

// Registry returns a lodastack registry, a registry file, or a fleet repository. It does not ask or read
// anything yet.
func Registry(cfg RegistryConfig) (agent.Registry, error) {
	if IsRegistryFile(cfg.Address) {
		return fileRegistry(cfg)
	}
	if IsFleetRepository(cfg.Address) {
		return fleetRegistry(cfg)
	}
	if cfg.RootCAs == nil && cfg.HTTPClient == nil && strings.HasPrefix(cfg.Address, "https:") {
		roots, err := systemca.Pool()
		if err != nil {
			return nil, fmt.Errorf("read the CAs of this system: %w", err)
		}
		cfg.RootCAs = roots
	}
	registry, err := httpregistry.New(httpregistry.Config{
		URL:        cfg.Address,
		Timeout:    cfg.Timeout,
		RootCAs:    cfg.RootCAs,
		HTTPClient: cfg.HTTPClient,
		Logger:     cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return registry, nil
}

func fileRegistry(cfg RegistryConfig) (agent.Registry, error) {
	registry, err := fileregistry.New(fileregistry.Config{Address: cfg.Address, TopicPrefix: cfg.TopicPrefix, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	return registry, nil
}

// Registry makes the registry that the config names, without asking it anything. Several are
// joined. logger may be nil.
func (c Config) Registry(logger *slog.Logger) (agent.Registry, error) {
	return c.registry(RegistryConfig{Logger: logger})
}

// registry is Registry with directories for a fleet repository.
func (c Config) registry(cfg RegistryConfig) (agent.Registry, error) {
	if len(c.Agent.RegistryAddr) == 1 {
		return c.registryAt(c.Agent.RegistryAddr[0], cfg)
	}
	var registries []agent.Registry
	for _, address := range c.Agent.RegistryAddr {
		registry, err := c.registryAt(address, cfg)
		if err != nil {
			return nil, err
		}
		registries = append(registries, registry)
	}
	return agent.Registries(registries...), nil
}

func (c Config) registryAt(address string, cfg RegistryConfig) (agent.Registry, error) {
	dir := cfg.Git.PluginsDir
	cfg.Address, cfg.Git = address, runnerConfig(c, cfg.Logger)
	cfg.Git.PluginsDir = dir
	if c.Output.Name == outputNSQ {
		cfg.TopicPrefix = c.Output.TopicPrefix
	}
	return Registry(cfg)
}

// fleetRegistry returns the registry of a fleet repository.
func fleetRegistry(cfg RegistryConfig) (agent.Registry, error) {
	address, branch, _ := strings.Cut(strings.TrimPrefix(cfg.Address, fleetScheme), "#")
	repository, err := gitrunner.OpenRepository(gitrunner.RepositoryConfig{
		Address: address, Branch: branch, Dir: cfg.Git.PluginsDir, Signers: cfg.Git.Policy.Signers,
		Kept:    statefile.Dir(cfg.DataDir),
		GitUser: cfg.Git.GitUser, PluginsUser: cfg.Git.User, Timeout: cfg.Git.GitTimeout, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("the fleet repository's address: %w", err)
	}
	return gitregistry.New(gitregistry.Config{
		Repository: fleetRepository{repository}, Name: repository.Name(), TopicPrefix: cfg.TopicPrefix, Logger: cfg.Logger,
	}), nil
}

// fleetRepository is a repository of internal/gitrunner for internal/gitregistry.
type fleetRepository struct{ *gitrunner.Repository }

func (r fleetRepository) Fetch(ctx context.Context, dir, suffix string, maxFile int64) (gitregistry.Head, error) {
	head, err := r.Repository.Fetch(ctx, dir, suffix, maxFile)
	return fleetHead(head), err
}

func (r fleetRepository) Kept() (gitregistry.Head, bool) {
	head, ok := r.Repository.Kept()
	return fleetHead(head), ok
}

func fleetHead(fetched gitrunner.Head) gitregistry.Head {
	head := gitregistry.Head{Commit: fetched.Commit, Date: fetched.Date, Signer: fetched.Signer}
	for _, file := range fetched.Files {
		head.Files = append(head.Files, gitregistry.File(file))
	}
	return head
}

// fleetScheme begins the address of a fleet repository.
const fleetScheme = "git+"

// IsFleetRepository reports whether the address is that of a fleet repository.
func IsFleetRepository(address string) bool { return strings.HasPrefix(address, fleetScheme) }

// IsRegistryFile reports whether the address is that of a registry file.
func IsRegistryFile(address string) bool { return strings.HasPrefix(address, "file:") }
