package lodastack

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/repopath"
)

// Bounds of what a registry may ask for.
const (
	minInterval       = time.Second
	maxInterval       = 24 * time.Hour
	minPluginInterval = 10 * time.Second
	maxTimeout        = time.Minute
	defaultTimeout    = 3 * time.Second
	maxNameLength     = 255
	// maxProblems bounds the problems that are kept for a namespace.
	maxProblems = 100
)

// Builder builds the assignment of one namespace, item by item. A method adds
// one item, or returns why it does not and changes nothing. It is not safe for
// concurrent use.
type Builder struct {
	assignment   agent.Assignment
	moreProblems int
	// Positions in the assignment, by the project of a plugin, the name of a port
	// and that of a process.
	projects, ports, processes map[string]int
}

// NewBuilder returns a builder of namespace's assignment, without any item.
func NewBuilder(namespace, id string) *Builder {
	return &Builder{
		assignment: agent.Assignment{Namespace: namespace, ID: id},
		projects:   make(map[string]int),
		ports:      make(map[string]int),
		processes:  make(map[string]int),
	}
}

// Interval sets how often kind is measured, from a second to a day. The
// smallest of several intervals counts.
func (b *Builder) Interval(kind string, every time.Duration) error {
	if every < minInterval || every > maxInterval {
		return fmt.Errorf("its interval of %s is not between 1 second and 24 hours; the default applies", every)
	}
	if b.assignment.Intervals == nil {
		b.assignment.Intervals = make(map[string]time.Duration)
	}
	if known, ok := b.assignment.Intervals[kind]; !ok || every < known {
		b.assignment.Intervals[kind] = every
	}
	return nil
}

// Plugin adds a plugin, whose Repo may be an address (see [repopath.Parse]). An
// Interval of zero means on demand only; others are raised to 10 seconds if they
// are shorter, and are at most 31 days.
func (b *Builder) Plugin(p agent.Plugin) error {
	var err error
	p.Namespace = b.assignment.Namespace
	if p.Name, err = measurement("PLUGIN", p.Name); err != nil {
		return err
	}
	if p.Repo, err = repopath.Parse(p.Repo); err != nil {
		return err
	}
	if err := agent.CheckPlugin(p); err != nil {
		return err
	}
	if p.Interval > 0 {
		p.Interval = max(p.Interval, minPluginInterval)
	}
	project := path.Base(p.Repo)
	if i, ok := b.projects[project]; ok {
		first := b.assignment.Plugins[i]
		return fmt.Errorf("conflict: %s (%s) of this namespace has the project name %s already, so %s is not used",
			first.Name, first.Repo, project, p.Repo)
	}
	b.projects[project] = len(b.assignment.Plugins)
	b.assignment.Plugins = append(b.assignment.Plugins, p)
	return nil
}

// Port adds a port. The timeout is at most a minute, and zero means 3 seconds. The same
// again changes nothing.
func (b *Builder) Port(p agent.Port) (err error) {
	if p.Name, err = measurement("PORT", p.Name); err != nil {
		return err
	}
	if p.Timeout < 0 || p.Timeout > maxTimeout {
		return fmt.Errorf("its timeout of %s is not between 0 and 1 minute", p.Timeout)
	}
	if err := agent.CheckPort(p); err != nil {
		return err
	}
	p.Timeout = cmp.Or(p.Timeout, defaultTimeout)
	if i, ok := b.ports[p.Name]; ok {
		first := b.assignment.Ports[i]
		if first.Port != p.Port {
			return fmt.Errorf("conflict: %s is the name of port %d already, so port %d is not used", p.Name, first.Port, p.Port)
		}
		if first.Address != p.Address || first.Protocol != p.Protocol {
			return fmt.Errorf("conflict: %s is the name of port %d with another address or protocol already", p.Name, p.Port)
		}
		first.Timeout = p.Timeout // the first counts
		if first != p {
			return fmt.Errorf("conflict: %s is the name of port %d already, which is tried in another way", p.Name, p.Port)
		}
		return nil
	}
	b.ports[p.Name] = len(b.assignment.Ports)
	b.assignment.Ports = append(b.assignment.Ports, p)
	return nil
}

// Process adds processes. The same again changes nothing.
func (b *Builder) Process(p agent.Process) (err error) {
	if p.Name, err = measurement("PROC", p.Name); err != nil {
		return err
	}
	if err := agent.CheckProcess(p); err != nil {
		return err
	}
	if p.Path != "" {
		p.Path = path.Clean(p.Path)
	}
	if i, ok := b.processes[p.Name]; ok {
		switch first := b.assignment.Processes[i]; {
		case first.Path != p.Path:
			return fmt.Errorf("conflict: %s is the name of %s already, so %s is not used", p.Name, first.Path, p.Path)
		case first != p:
			return fmt.Errorf("conflict: %s selects other processes already", p.Name)
		}
		return nil
	}
	b.processes[p.Name] = len(b.assignment.Processes)
	b.assignment.Processes = append(b.assignment.Processes, p)
	return nil
}

// Problem notes what is wrong with the item that subject describes. A nil
// error is not a problem.
func (b *Builder) Problem(subject string, err error) {
	switch {
	case err == nil:
	case len(b.assignment.Problems) < maxProblems:
		b.assignment.Problems = append(b.assignment.Problems, fmt.Sprintf("%s: %v", subject, err))
	default:
		b.moreProblems++
	}
}

// Assignment returns what has been put together. Its problems end with the
// number of those beyond the first hundred.
func (b *Builder) Assignment() agent.Assignment {
	a := b.assignment
	if b.moreProblems > 0 {
		a.Problems = append(slices.Clip(a.Problems), fmt.Sprintf("and %d more problems", b.moreProblems))
	}
	return a
}

// measurement trims name and puts kind's prefix in front of it if it is
// missing.
func measurement(kind, name string) (string, error) {
	prefix := kind + "."
	trimmed := strings.TrimSpace(name)
	bare := strings.TrimPrefix(trimmed, prefix)
	if bare == "" {
		return "", fmt.Errorf("its name %q is empty", trimmed)
	}
	for _, c := range bare {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '.', c == '_', c == '-':
		default:
			return "", fmt.Errorf("its name %.80q has characters other than letters, digits, '.', '_' and '-'", trimmed)
		}
	}
	if len(bare) > maxNameLength {
		return "", fmt.Errorf("its name %.20q… is longer than %d characters", trimmed, maxNameLength)
	}
	return prefix + bare, nil
}
