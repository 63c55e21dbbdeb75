// Package hostmetrics measures the host: processors, memory, disks, network,
// file systems, processes, ports and all else that docs/measurements.md lists.
//
// There is one collector for each kind of measurement. A kind reads its files
// below a root directory, so that a container can mount the host's tree and a
// test can use its own. What a system does not have is absent from the result,
// never zero.
//
//	kinds_linux.go, kinds_other.go   the kinds that this system has
//	measurements.go                  what each measurement means; docs/measurements.md is generated from it
//	cpu, mem, ps, disk, net, sockets the kinds CPU, MEM, DISK and NET; blockdevice: which disks
//	pressure, vm                     PSI and VM
//	fs, mounts, mounttree, rw        FS: file systems, their mounts, the write test
//	kernel, logins, logfiles, utmp   KERNEL: entropy, logins; loginpoints, takenseconds: a point for each
//	ntp, kernelclock, coredump       TIME and COREDUMP
//	dev, sensors, raid               DEV
//	proc, program, process, home     PROC: programs, their processes, which of those are the host's
//	selector, patterns               processes by command line, user, unit, name
//	settled, pidfile                 which processes a walk can skip; the PID in a file
//	procdetail                       PROC in detail: threads' switches, limits of files
//	port, portlisten, porttls        PORT: connections, sockets that listen, certificates
//	cgroup, systemd                  CGROUP, SYSTEMD
//	filter, leftout, asleep          what the config leaves out, and what measuring would wake
//	points, rates, distinct, state   points, rates, tags that must differ, state over restarts
//
// Rates are per second over the measured time between two readings (by the
// monotonic clock). The first Collect of a collector of rates takes two
// readings half a second apart, so that one call returns rates. A counter that
// went backwards yields no point.
package hostmetrics

import (
	"log/slog"
	"slices"
	"time"

	"github.com/lodastack/agent"
)

// Config is where and what to measure. Its zero value measures this host.
// stock.HostConfig has the same fields and describes them in full.
type Config struct {
	// Root of the host's file system. Empty: /.
	Root string
	// InterfacePrefixes select network interfaces by name. Empty: those with
	// hardware, or all but loopback if none has any.
	InterfacePrefixes []string
	// CoredumpDir is where core dumps appear, below Root. Empty:
	// /home/coresave.
	CoredumpDir string
	// NTPServers are asked in turn until one answers. Empty: pool.ntp.org,
	// whose silence is not an error.
	NTPServers []string
	// NoNTP asks no NTP server, so that there is no time.offset.
	NoNTP bool
	// Disable names kinds that are not measured, see [KindNames].
	Disable []string
	// Detail names kinds that are measured in detail, see [DetailedKinds].
	Detail []string
	// Include, unless it is empty, and Exclude select what of each is measured.
	Include, Exclude Globs
	// StateDir holds state over restarts. Empty: none is kept.
	StateDir string
	// Logger for messages that are not the error of a collection. Nil: no
	// logging.
	Logger *slog.Logger
}

// Kind is a collector with its name in the registry.
type Kind struct {
	// Name is CPU, MEM and so on.
	Name string
	// Every is the default interval.
	Every time.Duration
	// Collector measures the kind; nil if Assigned does.
	Collector agent.Collector
	// Assigned measures the items that the registry assigns, for PORT and PROC.
	Assigned agent.AssignmentCollector
}

// KindNames returns the names of all kinds, including those that this system
// does not have, in the order of docs/measurements.md.
func KindNames() []string {
	var names []string
	for _, m := range Measurements() {
		if !slices.Contains(names, m.Kind) {
			names = append(names, m.Kind)
		}
	}
	return names
}

// DetailedKinds returns the names of the kinds that have more measurements if Config.Detail
// names them.
func DetailedKinds() []string { return []string{"DISK", "NET", "PROC"} }

func (c Config) detailed(kind string) bool { return slices.Contains(c.Detail, kind) }

// Kinds returns the kinds that this system has and that are not disabled, in
// the order of docs/measurements.md. It reads nothing yet. Each collector may
// be used by one goroutine at a time. Collectors of two calls share nothing.
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
