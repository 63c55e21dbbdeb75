// Package fileregistry reads a host's assignments from a file, for hosts
// without a registry. docs/registry-file.md describes the file's format.
package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"sync/atomic"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/namespacefile"
)

// Config of a [Registry]. stock.RegistryConfig describes the fields in full.
type Config struct {
	// Address of the file, file:///PATH. Required.
	Address string
	// TopicPrefix is the prefix of the NSQ topics. A namespace whose topic NSQ
	// would refuse is a fault of the file.
	TopicPrefix string
	// Logger for each reading of the file, at DEBUG. Nil: no logging.
	Logger *slog.Logger
}

// Registry is a registry file. It is safe for concurrent use.
type Registry struct {
	path        string
	topicPrefix string
	logger      *slog.Logger
	read        atomic.Pointer[look] // before the last reading; nil: there was none
}

var (
	_ agent.Registry = (*Registry)(nil)
	_ agent.Watcher  = (*Registry)(nil)
)

// New returns the registry of cfg. The file need not exist yet.
func New(cfg Config) (*Registry, error) {
	u, err := url.Parse(cfg.Address)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the registry file's address %q does not have the form file:///etc/agent-registry.toml", cfg.Address)
	}
	if !path.IsAbs(u.Path) || path.Clean(u.Path) == "/" {
		return nil, fmt.Errorf("the registry file's address %q has no absolute path, as file:///etc/agent-registry.toml has", cfg.Address)
	}
	r := &Registry{path: u.Path, topicPrefix: cfg.TopicPrefix, logger: cfg.Logger}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// String returns the file's address.
func (r *Registry) String() string { return (&url.URL{Scheme: "file", Path: r.path}).String() }

// Assignments reads the file and returns its assignments in their order. They
// are the same for every host. The error names the file and, if possible, the
// line.
func (r *Registry) Assignments(ctx context.Context, _ agent.Host) ([]agent.Assignment, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read the registry file %s: %w", r.path, err)
	}
	seen := lookAt(r.path) // first: what changes after it is another change
	r.read.Store(&seen)
	content, err := readFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no registry file: write it, or name another one with agent.registryaddr (%w)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the registry file: %w", err)
	}
	assignments, err := namespacefile.ParseRegistry(r.path, content, r.topicPrefix)
	r.logger.Debug("registry file read", slog.String("file", r.path), slog.Int("bytes", len(content)), slog.Any("error", err))
	return assignments, err
}

// readFile reads a regular file. It refuses a pipe, for example, because an update would
// find it empty.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return configfile.Content(name)
}
