package agent

import (
	"context"
	"errors"
	"net/http"

	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/postbody"
	"github.com/lodastack/agent/internal/recent"
	"github.com/lodastack/agent/internal/topic"
	"github.com/lodastack/agent/internal/warnings"
)

// Handler returns the agent's HTTP API, to be mounted at the root of a server
// or, with [http.StripPrefix], anywhere. /openapi.json describes it.
//
// Everybody who reaches the server may read and post, also as clients of InfluxDB and exporters
// of OpenTelemetry do. Three kinds of callers may control the agent (/update and
// /plugins/update, rollback, run, enable, disable): those from a loopback address or a unix
// socket, as [WithLocalControl] says, those with the token of [WithControlToken], and those whose
// client certificate the server has verified. A request that a proxy relayed does not count as
// local. The users of [WithPluginUsers] may never control the agent. The handler refuses requests
// that a browser makes for another site, or under a name that is not the host's, and control by
// GET from a browser.
//
// The handler limits the size of bodies, and the memory of all bodies together. The server
// limits the time for headers, idle connections, and the number of connections.
func (a *Agent) Handler() http.Handler {
	return httpapi.New(apiAgent{a}, func() *httpapi.Config { return &a.settings.Load().api })
}

// apiAgent is the agent as its HTTP API sees it.
type apiAgent struct{ *Agent }

func (a apiAgent) Hostname() string { return a.hostname() }

func (a apiAgent) InForce() bool { return a.isReady() }

func (a apiAgent) Status() any {
	s := a.Agent.Status()
	return struct {
		Status
		Wrong []string `json:"wrong"`
	}{s, s.Wrong()}
}

func (a apiAgent) Warnings() []warnings.Record { return a.warnings.Records() }

func (a apiAgent) Recent() *recent.Memory { return a.recent }

func (a apiAgent) Plugins() any { return a.Agent.Plugins() }

func (a apiAgent) CheckNamespace(name string) error { return topic.CheckNamespace("", name) }

func (a apiAgent) Post(ctx context.Context, namespace string, points httpapi.Points) (httpapi.Posted, error) {
	metrics := make([]Metric, 0, points.Expected)
	if err := points.Each(func(p postbody.Point) { metrics = append(metrics, Metric(p)) }); err != nil {
		return httpapi.Posted{}, err
	}
	n := len(metrics)
	if !points.Partly() {
		return posted(n, a.send(ctx, namespace, postPrefix, metrics))
	}
	bad, err := a.sendGood(ctx, namespace, postPrefix, metrics)
	p, err := posted(n-len(bad), err)
	if p.Refused != nil {
		p.Refused.Indexes = amongAll(p.Refused.Indexes, bad)
	}
	for _, b := range bad {
		p.Bad = append(p.Bad, httpapi.BadItem{Item: b.Index, Name: b.Name, Err: b.Err})
	}
	return p, err
}

// amongAll returns the positions among all metrics of good ones, given by their positions among
// the good ones. All positions are ascending.
func amongAll(good []int, bad []*MetricError) []int {
	all := make([]int, len(good))
	before := 0 // bad ones
	for i, position := range good {
		for before < len(bad) && bad[before].Index <= position+before {
			before++
		}
		all[i] = position + before
	}
	return all
}

// posted returns the result of a post of n good metrics, of which the output may have refused
// some.
func posted(n int, err error) (httpapi.Posted, error) {
	var partly *PartlyRefusedError
	if errors.As(err, &partly) {
		return httpapi.Posted{Accepted: n, Refused: &httpapi.Refused{
			Points: partly.Points, Reason: partly.Reason, Indexes: partly.Indexes, Shared: partly.Shared, Error: partly.Error(),
		}}, nil
	}
	if err != nil {
		return httpapi.Posted{}, err
	}
	return httpapi.Posted{Accepted: n}, nil
}

func (a apiAgent) RunPlugin(ctx context.Context, namespace, repo string, args []string) (httpapi.Run, error) {
	r, err := a.Agent.RunPlugin(ctx, namespace, repo, args)
	return httpapi.Run{Result: string(r.Result), ExitCode: r.ExitCode, Duration: r.Duration, Stdout: r.Stdout}, err
}

func (a apiAgent) ErrorStatus(err error) int {
	var input *InputError
	var bad *MetricError
	switch {
	case errors.As(err, &input), errors.As(err, &bad), asPermanent(err) != nil:
		return http.StatusBadRequest
	case errors.Is(err, ErrNoPlugin):
		return http.StatusNotFound
	case errors.Is(err, ErrPluginRunning), errors.Is(err, ErrNoEarlierVersion):
		return http.StatusConflict
	case errors.Is(err, ErrNotRunning), errors.Is(err, ErrStopped):
		return http.StatusServiceUnavailable
	}
	return 0
}

func (a apiAgent) Figures() httpapi.Figures {
	s := a.Agent.Status()
	f := httpapi.Figures{
		Version: s.Build.Version, Commit: s.Build.Commit, GoVersion: s.Build.GoVersion,
		Started: s.Started, Namespaces: s.Namespaces,
		Accounts: make(map[string]httpapi.Account, len(s.Accounts)),
		Output:   httpapi.OutputFigures{Failed: s.Output.Error != "", Oldest: a.oldestWaiting(s.Output.Disk)},
		Registry: httpapi.RegistryFigures{
			Failed: s.Registry.Error != "", InForce: s.Registry.InForce,
			Answered: s.Registry.Answered, Problems: len(s.Registry.Problems), Heads: headFigures(s.Registry),
		},
	}
	for namespace, account := range s.Accounts {
		f.Accounts[namespace] = httpapi.Account(account)
	}
	for _, server := range s.Output.Servers {
		f.Output.Servers = append(f.Output.Servers, httpapi.ServerFigures{
			Address: server.Address, Down: server.State == ServerDown || server.State == ServerTrial,
		})
	}
	if disk := s.Output.Disk; disk != nil {
		f.Output.Disk = &httpapi.DiskFigures{Points: disk.Points, Bytes: disk.Bytes, Limit: disk.Limit}
	}
	if d := s.Statsd; d != nil {
		f.Statsd = &httpapi.StatsdFigures{
			Packets: d.Packets, PacketsDropped: d.PacketsDropped, Samples: d.Samples, SamplesDropped: d.SamplesDropped,
			BadLines: d.BadLines, UnsupportedLines: d.UnsupportedLines, Points: d.Points, PointsLost: d.PointsLost, Series: d.Series,
		}
	}
	for _, c := range s.Collectors {
		f.Collectors = append(f.Collectors, httpapi.CollectorFigures{
			Kind: c.Kind, Runs: c.Runs, Failures: c.Failures, Invalid: c.Invalid,
			Interval: c.Interval, Duration: c.Duration, LastRun: c.LastRun,
		})
	}
	for _, p := range s.Plugins {
		plugin := httpapi.PluginFigures{
			Namespace: p.Namespace, Repo: p.Repo, Enabled: p.Enabled, Installed: p.Installed,
			Runs: p.Runs, Failures: p.Failures, Invalid: p.Invalid, Interval: p.Interval,
		}
		if p.LastRun != nil {
			plugin.LastRun, plugin.Duration = p.LastRun.Time, p.LastRun.Duration
		}
		f.Plugins = append(f.Plugins, plugin)
	}
	return f
}

// headFigures returns the heads of fleet repositories.
func headFigures(r RegistryStatus) (heads []httpapi.HeadFigures) {
	add := func(name string, d RegistryDetails) {
		if d.Commit != "" {
			heads = append(heads, httpapi.HeadFigures{Registry: name, Commit: d.Commit, Signer: d.Signer, Date: d.Date})
		}
	}
	add("", r.RegistryDetails)
	for _, m := range r.Members {
		add(m.Name, m.RegistryDetails)
	}
	return heads
}
