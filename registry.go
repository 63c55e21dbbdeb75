package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Registry says what a host has to collect. See [WithRegistry].
//
// A registry that also is a [Reporter] is told about the host. One that is a [Watcher] is
// asked when it notices a change, and not only at each update.
type Registry interface {
	// Assignments returns everything that host has to collect, one value for each
	// namespace.
	//
	// If some namespaces cannot be read, it returns the others with a
	// [*PartialError]. The agent keeps the former assignments of the missing ones.
	// With any other error, namespaces that are returned are applied, and no other
	// namespace is removed. A single bad item is left out of its namespace and named
	// in [Assignment.Problems].
	//
	// It is called by one goroutine at a time. ctx has a deadline.
	Assignments(ctx context.Context, host Host) ([]Assignment, error)
}

// RegistryFunc makes a function a [Registry].
type RegistryFunc func(ctx context.Context, host Host) ([]Assignment, error)

// Assignments calls f.
func (f RegistryFunc) Assignments(ctx context.Context, host Host) ([]Assignment, error) {
	return f(ctx, host)
}

// StaticRegistry returns a [Registry] that always puts the host into the same namespaces. Each
// gets the metrics of all collectors, at their default intervals.
func StaticRegistry(namespaces ...string) Registry {
	assignments := make([]Assignment, len(namespaces))
	for i, namespace := range namespaces {
		assignments[i].Namespace = namespace
	}
	return RegistryFunc(func(context.Context, Host) ([]Assignment, error) { return slices.Clone(assignments), nil })
}

// Watcher is a [Registry] that notices when its answer may have changed, as that of a file
// does. The agent then asks at once.
type Watcher interface {
	// Watch calls changed after each change until ctx ends. A change that
	// [Registry.Assignments] has seen need not be one. changed returns at once.
	Watch(ctx context.Context, changed func())
}

// RegistryInspector is an optional interface of a [Registry] that reports where its answers
// come from. InspectRegistry is called after each answer, and returns at once.
type RegistryInspector interface {
	InspectRegistry() RegistryDetails
}

// RegistryDetails says which version of a repository the last good answer comes from. Its
// zero value: the registry has no versions, or there was no good answer since the start.
type RegistryDetails struct {
	// Commit is the head of the fleet repository.
	Commit string `json:"commit,omitempty"`
	// Date that the commit's author gave it.
	Date time.Time `json:"date,omitzero"`
	// Signer of the commit. Empty: it need not be signed.
	Signer string `json:"signer,omitempty"`
}

// Assignment is everything that this host collects for one namespace.
type Assignment struct {
	Namespace string `json:"namespace"`
	// ID is the registry's own identifier of the namespace on this host.
	ID string `json:"id,omitempty"`
	// Registry is the name of the registry that assigns it, which [Registries] sets.
	// Empty: there is only one.
	Registry string `json:"registry,omitempty"`
	// Intervals has the interval of each kind of measurement: CPU, MEM, … (see
	// [WithCollector]), and PORT and PROC for Ports and Processes, from 10 ms to 31 days. Other kinds are
	// collected at their default intervals.
	Intervals map[string]time.Duration `json:"intervals,omitempty"`
	Plugins   []Plugin                 `json:"plugins,omitempty"`
	Ports     []Port                   `json:"ports,omitempty"`
	Processes []Process                `json:"processes,omitempty"`
	// Problems has a sentence for each item of the registry's answer that was left out
	// because it was invalid.
	Problems []string `json:"problems,omitempty"`
}

// Port is a TCP port that should accept connections on the loopback address.
type Port struct {
	// Name is the measurement, PORT.sshd.22 for example.
	Name string `json:"name"`
	Port int    `json:"port"`
	// Address is the IP address to connect to. Empty: 127.0.0.1, or with Listen any address.
	Address string `json:"address,omitempty"`
	// Protocol is tcp or udp. Empty: tcp. A UDP port is not asked: it is looked up among
	// the sockets of this host.
	Protocol string `json:"protocol,omitempty"`
	// Listen is whether the port is not connected to, but looked up among the sockets of this
	// host, as a UDP port is.
	Listen bool `json:"listen,omitempty"`
	// TLS is whether the end of the server's certificate is measured, too. It needs a
	// connection.
	TLS bool `json:"tls,omitempty"`
	// TLSName is the host name that the server is asked to show the certificate of (SNI).
	// Empty: none is sent.
	TLSName string `json:"tls_name,omitempty"`
	// Timeout of one attempt. Zero stands for 3 s.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Process selects processes that are measured together: those for which all fields hold
// that are not empty. Without any, those that are called as Name says, after its prefix.
type Process struct {
	// Name is the beginning of the measurements' names, PROC.nginx for
	// example.
	Name string `json:"name"`
	// Path is the absolute path of the executable.
	Path string `json:"path,omitempty"`
	// Cmdline is a regular expression of package regexp, of at most 1024 bytes, for the
	// command line, whose arguments a blank joins.
	Cmdline string `json:"cmdline,omitempty"`
	// User is the effective user: a name in the host's /etc/passwd, or a number.
	User string `json:"user,omitempty"`
	// Unit is a systemd unit, such as nginx.service. Without a dot, .service is meant.
	Unit string `json:"unit,omitempty"`
	// PIDFile is the absolute path of a file whose first line is the process's PID. Without
	// the file there is no such process.
	PIDFile string `json:"pidfile,omitempty"`
	// Containers is whether processes inside containers count, too. Those of a Unit always
	// do.
	Containers bool `json:"containers,omitempty"`
}

// registryPart is the registry as the agent calls it.
type registryPart struct {
	registry  Registry
	names     []string       // of the members, or its own; empty: it has none
	reporters []reporterPart // of the members, if it is joined, as below
	watchers  []Watcher
	inspector RegistryInspector // nil: it tells nothing
	inspects  *promptCalls
}

// reporterPart is a registry that wants reports.
type reporterPart struct {
	name     string // of the registry among several; empty: it is the only one
	reporter Reporter
}

func newRegistryPart(r Registry) registryPart {
	inspector, _ := r.(RegistryInspector)
	part := registryPart{registry: r, inspector: inspector, inspects: new(promptCalls)}
	if several, ok := r.(*joined); ok {
		for _, m := range several.members {
			part.names = append(part.names, m.name)
			part.watchers = append(part.watchers, m.part.watchers...)
			for _, reports := range m.part.reporters {
				part.reporters = append(part.reporters, reporterPart{m.name, reports.reporter})
			}
		}
		return part
	}
	if named, ok := r.(fmt.Stringer); ok {
		part.names = []string{named.String()}
	}
	if reporter, ok := r.(Reporter); ok {
		part.reporters = []reporterPart{{"", reporter}}
	}
	if watcher, ok := r.(Watcher); ok {
		part.watchers = []Watcher{watcher}
	}
	return part
}

// without reports whether the registry of that name is no longer one of several.
func (p registryPart) without(name string) bool {
	return name != "" && len(p.names) > 0 && !slices.Contains(p.names, name)
}

// registryAnswer is what a registry has answered.
type registryAnswer struct {
	assignments []Assignment
	details     RegistryDetails
	took        time.Duration
}

// ask asks the registry. An answer that comes after the end of ctx is late: some of it may be
// missing.
func (p registryPart) ask(ctx context.Context, host Host) (a registryAnswer, err error) {
	began := time.Now()
	err = recovered(func() (err error) {
		a.assignments, err = p.registry.Assignments(ctx, host)
		return err
	})
	if err == nil {
		err = ctx.Err()
	}
	a.took, a.details = time.Since(began), p.inspect()
	return a, err
}

// watch calls changed when a watcher notices a change, until ctx ends.
func (p registryPart) watch(ctx context.Context, changed func(), logger *slog.Logger) {
	var all sync.WaitGroup
	for _, w := range p.watchers {
		all.Go(func() {
			if err := recovered(func() error { w.Watch(ctx, changed); return nil }); err != nil {
				logger.Error("changes of the registry come into force only at its updates", "error", err)
			}
		})
	}
	all.Wait()
}

// inspect returns nothing if the registry hangs.
func (p registryPart) inspect() RegistryDetails {
	if p.inspector == nil {
		return RegistryDetails{}
	}
	details, _ := askPromptly(p.inspects, p.inspector.InspectRegistry) // the answer itself is good
	return details
}

// members returns the status of each of several registries.
func (p registryPart) members() []RegistryMember {
	if several, ok := p.registry.(*joined); ok {
		return several.memberStatus()
	}
	return nil
}

func (p reporterPart) report(ctx context.Context, r Report) error {
	return recovered(func() error { return p.reporter.Report(ctx, r) })
}
