// Package gitregistry reads what hosts have to collect from a git repository, the fleet
// repository: a file for each namespace, reviewed and rolled back like code.
//
//	Repository.Kept ──► (at the start) ──► the fleet in force
//
//	Repository.Head ──► moved? ──no──► the fleet in force ──► namespaces of this host
//	                      │ yes                 ▲
//	                      ▼                     │ no fault
//	               Repository.Fetch ──► namespaces/*.toml, each parsed
//	                                            │ a fault: the head is refused as a whole
//	                                            ▼
//	                                  an error that names every fault
//
// What was in force stays while the repository is away or its head is refused: the agent
// keeps what it knows after an error. docs/fleet.md describes the files.
package gitregistry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lodastack/agent"
)

// Bounds of what is read.
const (
	dir     = "namespaces"
	suffix  = ".toml"
	maxFile = 1 << 20 // bytes
)

// Repository is the fleet repository.
type Repository interface {
	// Head returns the commit in which the branch ends.
	Head(ctx context.Context) (commit string, err error)
	// Fetch returns that commit with the files of a directory whose names end in
	// suffix, and with all directories and submodules there. A file of more than
	// maxFile bytes is an error.
	Fetch(ctx context.Context, dir, suffix string, maxFile int64) (Head, error)
	// Kept returns the last head that Fetch has returned, in this run of the program or
	// an earlier one, if it may still be used.
	Kept() (head Head, ok bool)
}

// Head is a commit of the repository.
type Head struct {
	Commit string
	Date   time.Time // of its author
	Signer string    // empty: it need not be signed
	Files  []File    // in order of their names
}

// File is a file of a [Head], or what stands in its place.
type File struct {
	Name   string // without the directory
	Object string // git's id of the content: files of one object are equal
	// Instead is what it is, if it is no file: "symbolic link", "directory" or
	// "submodule", whose content is not read.
	Instead string
	Content []byte
}

// Config of a [Registry].
type Config struct {
	Repository Repository
	// Name is what messages and the status call the repository.
	Name string
	// TopicPrefix is the prefix of the NSQ topics. A namespace whose topic NSQ would
	// refuse is a fault.
	TopicPrefix string
	// Logger for each new head, at INFO. Nil: nothing is logged.
	Logger *slog.Logger
}

// Registry is a fleet repository. It is safe for concurrent use.
type Registry struct {
	config Config

	known atomic.Pointer[Fleet] // nil: none yet

	mu    sync.Mutex // held while the repository is asked
	began bool       // guarded by mu; the head that was kept is parsed
	tried string     // guarded by mu; the head that was parsed last
	fault error      // guarded by mu; why it was refused
	again attempt    // guarded by mu; of a head that could not be fetched
}

var (
	_ agent.Registry          = (*Registry)(nil)
	_ agent.RegistryInspector = (*Registry)(nil)
)

// New returns the registry of a repository, which is not asked yet.
func New(config Config) *Registry {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Registry{config: config}
}

// String returns the repository's address.
func (r *Registry) String() string { return r.config.Name }

// InspectRegistry returns the head in force.
func (r *Registry) InspectRegistry() agent.RegistryDetails {
	if known := r.known.Load(); known != nil {
		return known.head
	}
	return agent.RegistryDetails{}
}

// Assignments returns what the head of the repository assigns to the host. The error names
// every fault of a head that is refused.
func (r *Registry) Assignments(ctx context.Context, host agent.Host) ([]agent.Assignment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin()
	commit, err := r.config.Repository.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the fleet repository for its head: %w", err)
	}
	if commit != r.tried {
		if err := r.again.after(commit, func() error { return r.take(ctx) }); err != nil {
			return nil, err
		}
	}
	if r.fault != nil {
		return nil, r.fault
	}
	return r.known.Load().Assignments(host.Hostname), nil
}

// begin parses the head of an earlier run of the program, once.
func (r *Registry) begin() {
	if r.began {
		return
	}
	r.began = true
	if head, ok := r.config.Repository.Kept(); ok {
		r.putInForce(head)
	}
}

// take fetches the head and puts it in force. An error in fetching it says nothing of the head.
func (r *Registry) take(ctx context.Context) error {
	head, err := r.config.Repository.Fetch(ctx, dir, suffix, maxFile)
	if err != nil {
		return fmt.Errorf("fetch the fleet repository: %w", err)
	}
	if r.putInForce(head); r.fault == nil {
		r.config.Logger.Info("the fleet repository has a new head", "commit", head.Commit, "namespaces", len(r.known.Load().namespaces), "signer", head.Signer)
	}
	return nil
}

// putInForce puts a head in force, unless it has a fault.
func (r *Registry) putInForce(head Head) {
	fleet, err := parseHead(head, r.config.TopicPrefix, r.known.Load())
	r.tried, r.fault = head.Commit, nil
	if err != nil {
		r.fault = fmt.Errorf("the head %.12s of the fleet repository is refused, and what was in force stays: %w", head.Commit, err)
		return
	}
	r.known.Store(fleet)
}
