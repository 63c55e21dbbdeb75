// Package hostmetrics measures the host: processors, memory, disks, network,
// file systems, processes, ports and what else docs/measurements.md lists.
//
// There is one collector for each kind of measurement. A kind reads its files
// below a root directory, so that the host's own tree can be mounted into a
// container and a test can bring its own. What a system does not have is absent
// from the result, never zero.
//
//	kinds_linux.go, kinds_other.go   the kinds that this system has
//	measurements.go                  what each measurement means; docs/measurements.md is made of it
//	cpu, mem, ps, disk, net, sockets the kinds CPU, MEM, DISK and NET; blockdevice: which disks
//	fs, mounts, mounttree, rw        FS: file systems, which mounts show them, the trial of writing
//	logins, logfiles, utmp           KERNEL: logins; loginpoints, takenseconds: a point for each
//	ntp, dev, coredump               TIME, DEV and COREDUMP
//	proc, program, process, home     PROC: programs, their processes, which of those are the host's
//	port                             PORT
//	points, rates, distinct, state   points, rates, tags that must differ, marks that outlive a run
//
// Rates are per second over the time that truly passed between two readings
// (by the monotonic clock). A collector of rates takes its first two readings
// half a second apart, within its first Collect, so that one call suffices to
// see them. A counter that went backwards yields no point.
package hostmetrics

import (
	"log/slog"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

// Config is where and what to measure. Its zero value measures this host.
type Config struct {
	// Root is the directory below which the host's /proc, /sys, /var/log and
	// file systems are found. Empty means "/".
	Root string
	// InterfacePrefixes are the beginnings of the names of the network
	// interfaces to measure. Without any, all but loopback and virtual ones
	// are measured; where all are virtual (in a container), all but loopback.
	InterfacePrefixes []string
	// CoredumpDir is where core dumps appear, below Root. Empty means
	// /home/coresave.
	CoredumpDir string
	// NTPServers are asked in turn until one answers, HOST or HOST:PORT.
	// Empty means pool.ntp.org; since nobody chose that server, a host
	// that it does not answer has no offset, which is no error.
	NTPServers []string
	// Disable names kinds that are not measured at all, as in [KindNames].
	Disable []string
	// StateDir holds what must outlive the process, such as how far the login
	// records have been read. Two agents must not share one. Empty: what was
	// reported is forgotten with the process.
	StateDir string
	// Logger logs what is not an error of one collection. Nil: no log.
	Logger *slog.Logger
}

// Kind is a collector with the name the registry knows it by.
type Kind struct {
	// Name is CPU, MEM and so on.
	Name string
	// Every is the default interval.
	Every time.Duration
	// Collector measures the kind; nil where Assigned does.
	Collector agent.Collector
	// Assigned measures what the registry names item by item, for PORT and PROC.
	Assigned agent.AssignmentCollector
}

// KindNames returns the names of all kinds, also of those that this system does
// not have, in the order of docs/measurements.md.
func KindNames() []string {
	var names []string
	for _, m := range Measurements() {
		if !slices.Contains(names, m.Kind) {
			names = append(names, m.Kind)
		}
	}
	return names
}

// Kinds returns the kinds that this system has and that are not disabled, in
// the order of docs/measurements.md. It reads nothing yet. Each collector may be used by one
// goroutine at a time; those of two calls do not know of each other.
func Kinds(c Config) []Kind {
	if c.Root == "" {
		c.Root = "/"
	}
	if c.CoredumpDir == "" {
		c.CoredumpDir = "/home/coresave"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return slices.DeleteFunc(systemKinds(c), func(k Kind) bool { return slices.Contains(c.Disable, k.Name) })
}
