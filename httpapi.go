package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/lodastack/agent/internal/httpapi"
	"github.com/lodastack/agent/internal/postbody"
	"github.com/lodastack/agent/internal/recent"
	"github.com/lodastack/agent/internal/topic"
	"github.com/lodastack/agent/internal/warnings"
)

// Handler returns the agent's HTTP API, to be mounted at the root of a server
// or, with [http.StripPrefix], anywhere. /openapi.json describes it.
//
// Everybody who reaches the server may read and post, also as clients of InfluxDB do. Three kinds of callers may control the
// agent (/update and /plugins/update, rollback, run, enable, disable): those from a loopback
// address or a unix socket, as [WithLocalControl] says, those with the token of
// [WithControlToken], and those whose client certificate the server has verified. A request
// that a proxy relayed does not count as local. The users of [WithPluginUsers] may never
// control the agent. The handler refuses requests that a browser makes for another site, or
// under a name that is not the host's, and control by GET from a browser.
//
// The handler limits the size of bodies, and the memory of all bodies together. The server
// limits the time for headers, idle connections, and the number of connections.
func (a *Agent) Handler() http.Handler {
	return httpapi.New(apiAgent{a}, func() *httpapi.Config { return &a.settings.Load().api })
}

// WithControlToken lets callers of [Agent.Handler] from other hosts control
// the agent (update, rollback, run, enable and disable) when they send the header
// "Authorization: Bearer TOKEN". token is called for every such request, from
// any goroutine, so that a new token is in force at once. While it returns the empty string,
// which is the default, no token is accepted.
func WithControlToken(token func() string) Option {
	return func(c *config) error {
		if token == nil {
			return errors.New("WithControlToken: the function is nil")
		}
		c.api.Token = token
		return nil
	}
}

// WithLocalControl says which callers of [Agent.Handler] on this host may control the agent
// without any other proof: "loopback" (the default) those over a loopback address or a unix
// socket, "socket" only those over a unix socket, "token" none.
func WithLocalControl(how string) Option {
	return func(c *config) error {
		if err := httpapi.CheckLocalControl(how); err != nil {
			return fmt.Errorf("WithLocalControl: %w", err)
		}
		c.api.LocalControl = how
		return nil
	}
}

// WithPluginUsers names users, by their uids, that plugins run as. As callers of
// [Agent.Handler] they may never control the agent. A caller without a token or certificate
// whose user cannot be found may not either, so the server must use [ConnContext]. Do not
// name the agent's own user, because other callers run as it, too. By default there are no
// such users, and the users of callers are not looked up.
func WithPluginUsers(uids ...int) Option {
	return func(c *config) error {
		for _, uid := range uids {
			if uid < 0 {
				return fmt.Errorf("WithPluginUsers: %d is not a uid", uid)
			}
		}
		c.api.PluginUsers = slices.Concat(c.api.PluginUsers, uids)
		return nil
	}
}

// WithPluginUserRange names users as [WithPluginUsers] does: all uids from first to last.
func WithPluginUserRange(first, last int) Option {
	return func(c *config) error {
		if first < 0 || last < first {
			return fmt.Errorf("WithPluginUserRange: %d to %d is not a range of uids", first, last)
		}
		c.api.PluginUserRanges = append(slices.Clip(c.api.PluginUserRanges), httpapi.UIDRange{First: first, Last: last})
		return nil
	}
}

// ConnContext lets [Agent.Handler] find the user of a caller on this host. It is
// for [http.Server.ConnContext].
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return httpapi.ConnContext(ctx, conn)
}

// WithoutPluginCalls makes [Agent.Handler] refuse to run plugins on demand.
// [Agent.RunPlugin] still works.
func WithoutPluginCalls() Option {
	return func(c *config) error {
		c.api.NoCalls = true
		return nil
	}
}

// WithoutPage makes the agent remember nothing of the points that pass.
// [Agent.Handler] then has no page, last values and history (/, /me/points,
// /me/history and /metrics/host), which else take at most 2 MiB on a host with
// the default measurements.
func WithoutPage() Option {
	return onlyNew("WithoutPage", func(c *config) error {
		c.noPage = true
		return nil
	})
}

// WithAPIHosts adds names under which callers may address [Agent.Handler] in
// their Host header, without port. IP addresses, localhost and the host's own
// name are always good. Any other name is refused, because it may be one that
// a web page let resolve to this host (DNS rebinding).
func WithAPIHosts(names ...string) Option {
	return func(c *config) error {
		for _, name := range names {
			if err := httpapi.CheckHost(name); err != nil {
				return fmt.Errorf("WithAPIHosts: %w", err)
			}
		}
		c.api.Hosts = slices.Concat(c.api.Hosts, names)
		return nil
	}
}

// WithAPINamespaces lets callers of [Agent.Handler] post to namespaces that are not the
// host's own, if they match one of the globs ([path.Match]). By default there are no globs.
func WithAPINamespaces(globs ...string) Option {
	return func(c *config) error {
		for _, glob := range globs {
			if err := httpapi.CheckNamespaceGlob(glob); err != nil {
				return fmt.Errorf("WithAPINamespaces: %w", err)
			}
		}
		c.api.Namespaces = slices.Concat(c.api.Namespaces, globs)
		return nil
	}
}

// WithAuditLog makes the agent write a line of JSON to w for each call of
// [Agent.Handler] that controls the agent, for each request that it refuses, for
// each plugin that the host's own config refuses, and for each change of an
// installed version. The keys are time, who ("uid 1000", "certificate SUBJECT",
// "token", "loopback" or "unknown"; "registry", "update" or "rollback" if that
// changed a version), from ("agent" for what it did itself), what and
// result. Each line is one Write, from any goroutine, and the request waits for it. By
// default the lines go to the logger.
func WithAuditLog(w io.Writer) Option {
	return onlyNew("WithAuditLog", func(c *config) error {
		if w == nil {
			return errors.New("WithAuditLog: the writer is nil")
		}
		c.audit.Writer = w
		return nil
	})
}

// WithMaxBody bounds the body of a post, in bytes, both as sent and decompressed. From 1 KiB
// to 256 MiB; the default is 16 MiB. All posts together take at most about six times as much
// memory; further ones are answered with 503.
func WithMaxBody(bytes int64) Option {
	return func(c *config) error {
		if bytes < httpapi.LeastMaxBody || bytes > httpapi.LargestMaxBody {
			return fmt.Errorf("WithMaxBody: %d bytes are not within 1 KiB and 256 MiB", bytes)
		}
		c.api.MaxBody = bytes
		return nil
	}
}

// apiAgent is the agent as its HTTP API sees it.
type apiAgent struct{ *Agent }

func (a apiAgent) Hostname() string { return a.hostname() }
func (a apiAgent) InForce() bool    { return a.isReady() }
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
	err := a.send(ctx, namespace, postPrefix, metrics)
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
		Output:   httpapi.OutputFigures{Failed: s.Output.Error != "", Oldest: a.delivery.Oldest()},
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
			Address: server.Address, Down: server.State == "down" || server.State == "trial",
		})
	}
	if disk := s.Output.Disk; disk != nil {
		f.Output.Disk = &httpapi.DiskFigures{Points: disk.Points, Bytes: disk.Bytes, Limit: disk.Limit}
		if oldest := f.Output.Oldest; oldest.IsZero() || !disk.Oldest.IsZero() && disk.Oldest.Before(oldest) {
			f.Output.Oldest = disk.Oldest
		}
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
