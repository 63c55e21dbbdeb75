package stock

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/machine"
	"github.com/lodastack/agent/internal/nsqoutput"
)

// connectTimeout is how long one server may take to answer.
const connectTimeout = 3 * time.Second

// Contact is the answer of a server that the config names.
type Contact struct {
	// Who is asked: "registry ADDRESS", "nsqd ADDRESS" or "git ADDRESS".
	Who string
	// Answer in words, if Err is nil.
	Answer string
	// Err says why there is no good answer. Nil: there is one.
	Err error
}

// Connect asks each registry, each nsqd and the git host once, each for a few seconds at
// most, and returns their answers. It asks git for the first plugin of this host, or only
// connects to its host if there is no plugin. It changes nothing and sends no message.
func (c Config) Connect(ctx context.Context) []Contact {
	var servers []string
	if c.Output.Name == outputNSQ {
		servers = c.Output.Servers
	}
	contacts := make([]Contact, len(servers)) // each goroutine has its own
	var all sync.WaitGroup
	for i, server := range servers {
		all.Go(func() { contacts[i] = c.askServer(ctx, server) })
	}
	var registries, git []Contact
	var assignments []agent.Assignment
	for _, address := range c.Agent.RegistryAddr {
		assigned, contact := c.askRegistry(ctx, address)
		registries = append(registries, contact)
		assignments = append(assignments, assigned...)
	}
	if c.Agent.Git != "" {
		git = append(git, c.askGit(ctx, assignments))
	}
	all.Wait()
	return slices.Concat(registries, contacts, git)
}

func (c Config) askRegistry(ctx context.Context, address string) ([]agent.Assignment, Contact) {
	contact := Contact{Who: "registry " + strings.Trim(hidePasswords(`"`+address+`"`, false), `"`)}
	registry, err := c.registryAt(address, RegistryConfig{})
	if err != nil {
		contact.Err = err
		return nil, contact
	}
	host := agent.Host{Hostname: c.Agent.Hostname, Serial: machine.Serial()}
	if host.Hostname == "" {
		if host.Hostname, contact.Err = os.Hostname(); contact.Err != nil {
			return nil, contact
		}
	}
	host.Addresses, _ = machine.Addresses() // the registry can do without
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	assignments, err := registry.Assignments(ctx, host)
	contact.Err = err
	var names []string
	for _, a := range assignments {
		names = append(names, a.Namespace)
	}
	switch len(names) {
	case 0:
		contact.Answer = fmt.Sprintf("answers: the host %s is in no namespace", host.Hostname)
	case 1:
		contact.Answer = fmt.Sprintf("answers: the host %s is in the namespace %s", host.Hostname, names[0])
	default:
		contact.Answer = fmt.Sprintf("answers: the host %s is in the namespaces %s", host.Hostname, strings.Join(names, ", "))
	}
	return assignments, contact
}

func (c Config) askServer(ctx context.Context, server string) Contact {
	contact := Contact{Who: "nsqd " + server, Answer: "answers"}
	cfg, err := c.nsqConfig(slog.New(slog.DiscardHandler))
	if err != nil {
		contact.Err = err
		return contact
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if contact.Err = nsqoutput.Ask(ctx, server, nsqoutput.Config(cfg)); cfg.TLS != nil {
		contact.Answer += " over TLS"
	}
	return contact
}

// askGit asks for the first plugin, else the host.
func (c Config) askGit(ctx context.Context, assignments []agent.Assignment) Contact {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for _, a := range assignments {
		if len(a.Plugins) > 0 {
			return c.askPlugin(ctx, a.Plugins[0])
		}
	}
	where, err := gitrunner.AskHost(ctx, c.Agent.Git)
	return Contact{Who: "git " + where, Answer: "is there; no plugin is assigned that git could be asked for", Err: err}
}

// askPlugin asks git for a plugin, in a directory of its own, because the
// plugins' directory may be another agent's.
func (c Config) askPlugin(ctx context.Context, p agent.Plugin) (contact Contact) {
	contact = Contact{Who: "git " + p.Repo}
	dir, err := os.MkdirTemp("", "agent-check-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755) // for the user that git runs as
	}
	if err != nil {
		contact.Err = err
		return contact
	}
	runner, err := gitrunner.New(gitrunner.Config{PluginsDir: dir, Git: c.Agent.Git, GitUser: c.Agent.GitUser, User: c.Agent.PluginsUser, Branch: c.Agent.Branch})
	if err != nil {
		contact.Err = err
		return contact
	}
	defer func() { _ = runner.Close(context.WithoutCancel(ctx)) }() // the user need not know of files that git left
	commit, err := runner.Ask(ctx, p)
	if err == nil {
		contact.Answer = fmt.Sprintf("answers: %.12s would be installed", commit)
	}
	contact.Err = err
	return contact
}
