package stock

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
)

// HostConfig says what to measure, and where. Its zero value measures this host.
type HostConfig struct {
	// Root is the directory below which the host's /proc, /sys, /var/log and
	// file systems are found, for an agent in a container. Empty: /.
	Root string
	// InterfacePrefixes are the beginnings of the names of the network
	// interfaces to measure. Empty: all but loopback and virtual ones; if all
	// are virtual (in a container), all but loopback.
	InterfacePrefixes []string
	// CoredumpDir is where core dumps appear, below Root. Empty: /home/coresave.
	CoredumpDir string
	// NTPServers, HOST or HOST:PORT, are asked in turn until one answers. Empty:
	// pool.ntp.org. Nobody chose that server, so it is not an error if it does not
	// answer.
	NTPServers []string
	// NoNTP asks no NTP server: there is no time.offset. What the kernel knows of its clock is
	// measured nevertheless.
	NoNTP bool
	// Disable names kinds that are not measured, in capitals: CPU, TIME, … Empty:
	// all are.
	Disable []string
	// Detail names kinds of which more is measured, in capitals: DISK, NET, PROC. Empty: none.
	Detail []string
	// Include and Exclude select what of each is measured. Include, unless it is empty,
	// names all that is, and may name what is left out otherwise; Exclude wins. Both
	// empty: what docs/measurements.md says.
	Include, Exclude HostGlobs
	// StateDir holds data that must outlive the process, such as how far the login
	// records have been read. Two agents must not share one. Empty: nothing outlives
	// the process.
	StateDir string
	// Logger for messages that are not an error of one collection. Nil: nothing is
	// logged.
	Logger *slog.Logger
}

// HostGlobs are patterns of [path.Match] for the names of what a host has several of: a *
// stands for any text without a slash. Empty: no name.
type HostGlobs struct {
	// Mounts are mount points, FSTypes the types of file systems: /srv/*, nfs*.
	Mounts, FSTypes []string
	// RW are the mount points where fs.files.rw writes.
	RW []string
	// Disks, Interfaces, Sensors and Cores have the names that are in the tags device,
	// interface, sensor and core.
	Disks, Interfaces, Sensors, Cores []string
	// Cgroups are control groups, by path or by the last part of it: nginx.service,
	// docker/*. None is measured that Include does not name.
	Cgroups []string
	// Units are units of systemd: nginx, postgresql@*.service. The state of none is measured
	// that Include does not name.
	Units []string
}

// HostKind is a kind of measurement.
type HostKind struct {
	// Name is that of the registry: CPU, MEM and so on.
	Name string
	// Every is the default interval.
	Every time.Duration
	// Collector measures the kind. Nil if Assigned does.
	Collector agent.Collector
	// Assigned measures what the registry names item by item, for PORT and
	// PROC. Nil if Collector does.
	Assigned agent.AssignmentCollector
}

// HostKinds returns the kinds of measurement that this system has and that are
// not disabled: CPU, MEM, DISK, NET, FS and so on. It measures nothing yet. Each
// collector may be used by one goroutine at a time.
func HostKinds(cfg HostConfig) []HostKind {
	var kinds []HostKind
	for _, kind := range hostmetrics.Kinds(cfg.hostmetrics()) {
		kinds = append(kinds, HostKind(kind))
	}
	return kinds
}

func (c HostConfig) hostmetrics() hostmetrics.Config {
	return hostmetrics.Config{
		Root: c.Root, InterfacePrefixes: c.InterfacePrefixes, CoredumpDir: c.CoredumpDir, NTPServers: c.NTPServers, NoNTP: c.NoNTP,
		Disable: c.Disable, Detail: c.Detail, Include: hostmetrics.Globs(c.Include), Exclude: hostmetrics.Globs(c.Exclude),
		StateDir: c.StateDir, Logger: c.Logger,
	}
}

// HostCollectors returns [HostKinds] as options of an agent, with the description
// of what they measure.
func HostCollectors(cfg HostConfig) []agent.Option {
	options := []agent.Option{agent.WithMeasurements(func() []agent.Measurement { return hostMeasurements(cfg) })}
	for _, kind := range HostKinds(cfg) {
		if kind.Assigned != nil {
			options = append(options, agent.WithAssignmentCollector(kind.Name, kind.Every, kind.Assigned))
			continue
		}
		options = append(options, agent.WithCollector(kind.Name, kind.Every, kind.Collector))
	}
	return options
}

// hostMeasurements describes what the kinds measure, and says which of them are off.
func hostMeasurements(cfg HostConfig) []agent.Measurement {
	here := make(map[string]bool)
	for _, kind := range HostKinds(cfg) {
		here[kind.Name] = true
	}
	var list []agent.Measurement
	for _, m := range hostmetrics.Measurements() {
		described := agent.Measurement{
			Kind: m.Kind, Name: m.Name, Unit: m.Unit, Meaning: m.Meaning, Absent: m.Absent,
			LeftOut: func() []string { return hostmetrics.LeftOut(cfg.hostmetrics(), m) },
		}
		switch {
		case !here[m.Kind]:
			described.Off = whyOff(cfg, m.Kind)
		case strings.HasPrefix(m.Name, "systemd.unit.") && len(cfg.Include.Units) == 0:
			described.Off = "collect.include.units names none"
		case m.Name == "time.offset" && cfg.NoNTP:
			described.Off = "time.servers names no server"
		}
		list = append(list, described)
	}
	return list
}

// whyOff says why a kind is not measured, as a clause.
func whyOff(cfg HostConfig, kind string) string {
	switch {
	case slices.Contains(cfg.Disable, kind):
		return "collect.disable names its kind " + kind
	case kind == "CGROUP" && len(cfg.Include.Cgroups) == 0:
		return "collect.include.cgroups names none"
	}
	return "this operating system does not have it"
}

// HostConfig returns the part of the config about measuring the host. It has no StateDir,
// so that a collector made of it changes nothing, and no Logger.
func (c Config) HostConfig() HostConfig {
	host := HostConfig{
		Root:              c.Collect.Root,
		InterfacePrefixes: c.Agent.IfacePrefix,
		CoredumpDir:       c.Coredump.Dir,
		Disable:           c.Collect.Disable,
		Detail:            c.Collect.Detail,
		Include:           c.Collect.Include,
		Exclude:           c.Collect.Exclude,
		NoNTP:             len(c.Time.Servers) == 0,
	}
	if !slices.Equal(c.Time.Servers, defaultConfig().Time.Servers) {
		host.NTPServers = c.Time.Servers
	}
	return host
}

// hostConfig is the [Config.HostConfig] of an agent that runs.
func hostConfig(cfg Config, logger *slog.Logger) HostConfig {
	host := cfg.HostConfig()
	host.StateDir, host.Logger = filepath.Join(cfg.DataDir(), "host"), logger
	return host
}
