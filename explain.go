package agent

import (
	"cmp"
	"errors"
	"time"

	"github.com/lodastack/agent/internal/explain"
	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/recent"
)

// Explain says of a measurement, a plugin or a namespace why it does or does not arrive.
func (a apiAgent) Explain(name string) (explain.Answer, error) {
	return explain.Explain(name, a.facts(name))
}

// facts are what the agent knows of a name, as internal/explain takes it.
func (a *Agent) facts(name string) explain.Facts {
	s := a.Status()
	f := explain.Facts{
		Now: time.Now(), Host: s.Hostname, Namespaces: s.Namespaces,
		Registry: explain.Registry{
			InForce: s.Registry.InForce, Answered: s.Registry.Answered, Doubted: s.Registry.Doubted, Error: s.Registry.Error,
		},
		Registries: make(map[string]string),
		Accounts:   make(map[string]explain.Account, len(s.Accounts)),
		Output:     a.outputFacts(s),
		Remembers:  a.recent.Remembers(),
	}
	for _, assignment := range a.assigned() {
		if assignment.Registry != "" {
			f.Registries[assignment.Namespace] = assignment.Registry
		}
	}
	for namespace, account := range s.Accounts {
		f.Accounts[namespace] = explain.Account(account)
	}
	for _, d := range s.Output.Dropping {
		f.Drops = append(f.Drops, explain.Drop(d))
	}
	f.Names = a.recent.Names()
	for _, p := range a.recent.Points(recent.Named(name), recent.MaxSeries).Points {
		f.Series = append(f.Series, explain.Series(p))
	}
	if refused := a.refusedPost.Load(); refused != nil {
		f.RefusedPost = &explain.RefusedPost{Time: refused.time, Namespace: refused.namespace, Name: refused.name, Error: refused.error, Partly: refused.partly}
	}
	if s.Statsd != nil {
		f.Statsd = &explain.Statsd{
			Address: s.Statsd.Address, Packets: s.Statsd.Packets, PacketsDropped: s.Statsd.PacketsDropped,
			SamplesDropped: s.Statsd.SamplesDropped, BadLines: s.Statsd.BadLines, PointsLost: s.Statsd.PointsLost, Problems: s.Statsd.Problems,
		}
	}
	a.addMeasurements(&f)
	a.addAssigned(&f, s.Plugins)
	return f
}

// outputFacts are what is known of the output and what waits for it.
func (a *Agent) outputFacts(s Status) explain.Output {
	out := explain.Output{Error: s.Output.Error, Down: s.Output.DownSince, Memory: s.Output.Total.Waiting, Oldest: a.oldestWaiting(s.Output.Disk)}
	for _, t := range s.Output.Topics {
		out.Topics = append(out.Topics, explain.Topic(t))
	}
	if disk := s.Output.Disk; disk != nil {
		out.Disk = disk.Points
		out.Memory = max(0, out.Memory-disk.Points)
	}
	return out
}

// addMeasurements adds what collectors measure, and how they fare.
func (a *Agent) addMeasurements(f *explain.Facts) {
	if a.config.measurements != nil {
		for _, m := range a.config.measurements() {
			f.Measurements = append(f.Measurements, explain.Measurement{Kind: m.Kind, Name: m.Name, Absent: m.Absent, Off: m.Off, LeftOut: m.LeftOut})
		}
	}
	assignments := a.assigned()
	for _, collection := range a.config.collectors {
		c := collection.currentStatus()
		f.Collectors = append(f.Collectors, explain.Collector{
			Kind: c.Kind, Interval: collection.interval(assignments).Seconds(), Running: c.Running, LastRun: c.LastRun,
			Runs: c.Runs, Points: c.Points, Error: c.Error, Invalid: c.InvalidError,
		})
	}
}

// addAssigned adds the plugins, ports and processes that the registry assigns.
func (a *Agent) addAssigned(f *explain.Facts, plugins []PluginStatus) {
	modes := make(map[[2]string]string) // by namespace and repository
	for _, assignment := range a.assigned() {
		for _, p := range assignment.Plugins {
			modes[[2]string{p.Namespace, p.Repo}] = p.Mode
		}
		for _, port := range assignment.Ports {
			f.Items = append(f.Items, explain.Item{Namespace: assignment.Namespace, Kind: "PORT", Name: port.Name})
		}
		for _, process := range assignment.Processes {
			f.Items = append(f.Items, explain.Item{Namespace: assignment.Namespace, Kind: "PROC", Name: process.Name})
		}
	}
	for _, p := range plugins {
		plugin := explain.Plugin{
			Namespace: p.Namespace, Name: p.Name, Repo: p.Repo, Interval: p.Interval,
			Daemon:  cmp.Or(modes[[2]string{p.Namespace, p.Repo}], p.Mode) == ModeDaemon,
			Enabled: p.Enabled, DisabledUntil: p.DisabledUntil, Installed: p.Installed, InstallError: p.InstallError,
			Commit: p.Commit, Signer: p.Signer, Running: p.Running, Invalid: p.InvalidError,
		}
		if run := p.LastRun; run != nil {
			plugin.LastRun = &explain.Run{Time: run.Time, Duration: run.Duration, Result: string(run.Result), Error: run.Error, Stderr: p.Stderr}
		}
		f.Plugins = append(f.Plugins, plugin)
	}
}

// Measurement describes what a [Collector] measures. See [WithMeasurements].
type Measurement struct {
	// Kind of the collector, as in [WithCollector].
	Kind string
	// Name of the metrics. NAME in it stands for the name of the item that is
	// measured, PORT.sshd.22 for example.
	Name string
	// Unit of the value, such as "%" or "B/s"; empty for a plain number.
	Unit string
	// Meaning in a sentence, without a full stop.
	Meaning string
	// Absent says when a run that went well has no such metric, as a clause: "the speed
	// is unknown". Empty: never.
	Absent string
	// Off says why the agent does not measure it here, as a clause. Empty: it does.
	Off string
	// LeftOut says what of the host the measurement does not have by the config, and why, as
	// clauses: "eth1: collect.exclude.interfaces has eth1". It is called when somebody asks
	// why something is missing, from any goroutine. Nil: nothing is left out.
	LeftOut func() []string
}

// WithMeasurements describes what collectors measure, for the help texts of
// /metrics/host and for /me/explain. describe is called when somebody asks, from any goroutine.
// Several options add up. By default nothing is described.
func WithMeasurements(describe func() []Measurement) Option {
	return onlyNew("WithMeasurements", func(c *config) error {
		if describe == nil {
			return errors.New("WithMeasurements: the function is nil")
		}
		before := c.measurements
		c.measurements = func() []Measurement {
			if before == nil {
				return describe()
			}
			return append(before(), describe()...)
		}
		return nil
	})
}

func (a apiAgent) Measurements() []httpapi.Measurement {
	if a.config.measurements == nil {
		return nil
	}
	described := a.config.measurements()
	list := make([]httpapi.Measurement, len(described))
	for i, m := range described {
		list[i] = httpapi.Measurement{Name: m.Name, Unit: m.Unit, Meaning: m.Meaning}
	}
	return list
}
