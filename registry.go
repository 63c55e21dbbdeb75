package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// Reporter is a [Registry] that also gets reports about the host, at the start and at every
// update. An error that wraps [ErrHostUnknown] means that the registry does not know the host
// of [Report.Previous].
type Reporter interface {
	Report(ctx context.Context, r Report) error
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

// ErrHostUnknown is wrapped by the error of [Reporter.Report] if the
// registry does not know a host of the old name: it was deleted there, this
// host is a clone of another one, or the registry was restored from a backup.
var ErrHostUnknown = errors.New("the registry does not know the host's old name")

// Host identifies the host that asks a registry.
type Host struct {
	// Hostname is the value of the tag host.
	Hostname string `json:"hostname"`
	// Addresses are the host's IP addresses, sorted, without those of loopback
	// and of bridges to containers.
	Addresses []string `json:"addresses"`
	// Serial is the machine's serial number, or empty if it has none or
	// the agent may not read it.
	Serial string `json:"serial"`
}

// Report is a report about the host to a [Reporter].
type Report struct {
	// Host as it is now.
	Host Host
	// Previous is the host as the registry last accepted it; at the very
	// first report it equals Host.
	Previous Host
	// Changed is true when the host name or the addresses of Host and
	// Previous differ.
	Changed bool
	// Namespaces are the names of what is assigned, and IDs their
	// [Assignment.ID], both in one order.
	Namespaces, IDs []string
	// Build of the agent that reports.
	Build Build
	// Time of the report.
	Time time.Time
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
	// [WithCollector]), and PORT and PROC for Ports and Processes. Other kinds are
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

// PartialError is returned by [Registry.Assignments] with the assignments of the namespaces
// that it does not name.
type PartialError struct {
	// Namespaces has the reason for each namespace that could not be read.
	Namespaces map[string]error
	// Registries has each of several registries, in the order of precedence. The agent
	// keeps the former assignments of those that failed. Empty: there is only one.
	Registries []RegistryError
}

// RegistryError is the error of one of several registries.
type RegistryError struct {
	// Name of the registry, as in [Assignment.Registry].
	Name string
	// Err says why it could not be read. Nil: it answered, at least in part.
	Err error
}

// Error names every missing registry and namespace with its reason.
func (e *PartialError) Error() string {
	var reasons []string
	for _, r := range e.Registries {
		if r.Err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", r.Name, r.Err))
		}
	}
	for _, ns := range slices.Sorted(maps.Keys(e.Namespaces)) {
		reasons = append(reasons, fmt.Sprintf("namespace %s: %v", ns, e.Namespaces[ns]))
	}
	return strings.Join(reasons, "; ")
}

// keeps reports whether a namespace that was assigned before stays, although the answer has
// none from its registry. next is the registry from which the answer has it; "" with has
// false: it has none.
func (e *PartialError) keeps(old Assignment, next string, has bool) bool {
	if e.Namespaces[old.Namespace] != nil {
		return !has
	}
	at := func(name string) int {
		return slices.IndexFunc(e.Registries, func(r RegistryError) bool { return r.Name == name })
	}
	from := at(old.Registry)
	switch {
	case len(e.Registries) == 0:
		return false
	case from < 0: // from before the registries were joined: one that failed may have it
		return !has && slices.ContainsFunc(e.Registries, func(r RegistryError) bool { return r.Err != nil })
	case e.Registries[from].Err == nil:
		return false
	}
	return !has || from < at(next)
}

// saysNothing reports whether none of several registries answered.
func (e *PartialError) saysNothing() bool {
	return len(e.Registries) > 0 && !slices.ContainsFunc(e.Registries, func(r RegistryError) bool { return r.Err == nil })
}

// Unwrap returns the reasons, so that [errors.Is] and [errors.As] see them.
func (e *PartialError) Unwrap() []error {
	var reasons []error
	for _, r := range e.Registries {
		if r.Err != nil {
			reasons = append(reasons, r.Err)
		}
	}
	for _, err := range e.Namespaces {
		reasons = append(reasons, err)
	}
	return reasons
}
