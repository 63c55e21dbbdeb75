package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// serveMetrics answers with the agent's own figures in the text format of
// Prometheus.
func (a *api) serveMetrics(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var e exposition
	e.figures(a.agent.Figures(), time.Now())
	e.answers(a.answers.counts(), a.endpoints())
	e.process()
	_, _ = w.Write(e.text) // the caller may have left
	return nil
}

// figures adds the agent's own figures. Counters exist from the start, with 0: the first
// increase of a counter that appears later would not be seen. The times of events that have
// not happened yet are 0, too.
func (e *exposition) figures(f Figures, now time.Time) {
	e.family("lodastack_agent_build_info", "gauge", "Which build of the agent this is; always 1.")
	e.sample(1, "version", f.Version, "commit", f.Commit, "goversion", f.GoVersion)
	e.family("lodastack_agent_start_time_seconds", "gauge", "When the agent started, in Unix time. A reload does not change it.")
	e.sample(unixSeconds(f.Started))
	e.accounts(f.Namespaces, f.Accounts)
	e.output(f.Output, now)
	e.registry(f.Registry)
	e.collectors(f.Collectors)
	e.plugins(f.Plugins)
	if f.Statsd != nil {
		e.statsd(*f.Statsd)
	}
}

// output adds the figures of the output. Before the first write has failed, all servers may be
// known to be down, so "up" also depends on them.
func (e *exposition) output(o OutputFigures, now time.Time) {
	allDown := len(o.Servers) > 0
	for _, server := range o.Servers {
		allDown = allDown && server.Down
	}
	e.family("lodastack_agent_output_up", "gauge", "Whether points get out: the last write succeeded, and not all servers are down.")
	e.sample(truth(!o.Failed && !allDown))
	e.family("lodastack_agent_output_server_up", "gauge", "Whether the server accepted the last request, or was not used yet.")
	for _, server := range o.Servers {
		e.sample(truth(!server.Down), "server", server.Address)
	}
	e.family("lodastack_agent_points_oldest_waiting_age_seconds", "gauge", "How long the oldest point has waited to be delivered; 0 if none waits.")
	if o.Oldest.IsZero() {
		e.sample(0)
	} else {
		e.sample(max(now.Sub(o.Oldest).Seconds(), 0))
	}
	if o.Disk == nil {
		return
	}
	e.family("lodastack_agent_output_disk_points", "gauge", "Points on disk that are still to be delivered.")
	e.sample(float64(o.Disk.Points))
	e.family("lodastack_agent_output_disk_bytes", "gauge", "Size of the files in which points wait.")
	e.sample(float64(o.Disk.Bytes))
	if o.Disk.Limit > 0 {
		e.family("lodastack_agent_output_disk_limit_bytes", "gauge", "Limit of the files in which points wait: beyond it the oldest points are dropped.")
		e.sample(float64(o.Disk.Limit))
	}
}

// dropReasons are the reasons for which the agent and its stock parts drop
// points. Others, of parts that somebody else wrote, appear with their first
// point.
var dropReasons = []string{
	"bad_point", "bad_topic", "buffer_full", "refused", "shutdown", "spool_age", "spool_damaged", "spool_full", "too_large", "unclean_stop",
}

func (e *exposition) accounts(own []string, accounts map[string]Account) {
	all := maps.Clone(accounts)
	for _, ns := range own {
		all[ns] = accounts[ns]
	}
	namespaces := slices.Sorted(maps.Keys(all))
	each := func(name, kind, help string, value func(Account) int64) {
		e.family(name, kind, help)
		for _, ns := range namespaces {
			e.sample(float64(value(all[ns])), "namespace", ns)
		}
	}
	each("lodastack_agent_points_accepted_total", "counter", "Points that the agent took responsibility for.", func(a Account) int64 { return a.Accepted })
	each("lodastack_agent_points_delivered_total", "counter", "Points that the output acknowledged.", func(a Account) int64 { return a.Delivered })
	each("lodastack_agent_points_waiting", "gauge", "Points in memory or on disk that are still to be delivered.", func(a Account) int64 { return a.Waiting })
	e.family("lodastack_agent_points_dropped_total", "counter", "Points that were lost, by reason.")
	for _, ns := range namespaces {
		dropped := all[ns].Dropped
		reasons := slices.AppendSeq(slices.Clone(dropReasons), maps.Keys(dropped))
		slices.Sort(reasons)
		for _, reason := range slices.Compact(reasons) {
			e.sample(float64(dropped[reason]), "namespace", ns, "reason", reason)
		}
	}
}

func (e *exposition) registry(r RegistryFigures) {
	e.family("lodastack_agent_registry_up", "gauge", "Whether the last conversation with the registry went well.")
	e.sample(truth(!r.Failed && !r.Answered.IsZero()))
	e.family("lodastack_agent_assignments_in_force", "gauge", "Whether it is known what to collect.")
	e.sample(truth(r.InForce))
	e.family("lodastack_agent_registry_problems", "gauge", "Invalid items in the registry's last answers.")
	e.sample(float64(r.Problems))
	e.family("lodastack_agent_registry_answer_timestamp_seconds", "gauge", "When the registry last gave a good answer, in Unix time: time() minus this is its age. 0: not since the start.")
	e.sample(unixSeconds(r.Answered))
	if len(r.Heads) == 0 {
		return
	}
	e.family("lodastack_agent_fleet_info", "gauge", "Which commit of the fleet repository the registry's last good answer comes from, and who has signed it; always 1.")
	for _, h := range r.Heads {
		e.sample(1, "registry", h.Registry, "commit", h.Commit, "signer", h.Signer)
	}
	e.family("lodastack_agent_fleet_commit_timestamp_seconds", "gauge", "The author's date of that commit, in Unix time.")
	for _, h := range r.Heads {
		e.sample(unixSeconds(h.Date), "registry", h.Registry)
	}
}

func (e *exposition) collectors(collectors []CollectorFigures) {
	e.family("lodastack_agent_collector_duration_seconds", "gauge", "How long the collector's last run took.")
	for _, c := range collectors {
		e.sample(c.Duration, "collector", c.Kind)
	}
	e.family("lodastack_agent_collector_interval_seconds", "gauge", "How often the collector runs; 0: it does not.")
	for _, c := range collectors {
		e.sample(c.Interval, "collector", c.Kind)
	}
	e.family("lodastack_agent_collector_last_run_timestamp_seconds", "gauge", "When the collector's last run began, in Unix time; 0: it has not run yet.")
	for _, c := range collectors {
		e.sample(unixSeconds(c.LastRun), "collector", c.Kind)
	}
	e.family("lodastack_agent_collector_runs_total", "counter", "Runs of the collector.")
	for _, c := range collectors {
		e.sample(float64(c.Runs), "collector", c.Kind)
	}
	e.family("lodastack_agent_collector_failures_total", "counter", "Runs of the collector that could not measure everything.")
	for _, c := range collectors {
		e.sample(float64(c.Failures), "collector", c.Kind)
	}
	e.family("lodastack_agent_collector_invalid_metrics_total", "counter", "Metrics of the collector that could not be sent.")
	for _, c := range collectors {
		e.sample(float64(c.Invalid), "collector", c.Kind)
	}
}

func (e *exposition) plugins(plugins []PluginFigures) {
	label := func(p PluginFigures) []string { return []string{"namespace", p.Namespace, "repo", p.Repo} }
	e.family("lodastack_agent_plugin_enabled", "gauge", "Whether the plugin runs periodically.")
	for _, p := range plugins {
		e.sample(truth(p.Enabled), label(p)...)
	}
	e.family("lodastack_agent_plugin_installed", "gauge", "Whether the plugin can run.")
	for _, p := range plugins {
		e.sample(truth(p.Installed), label(p)...)
	}
	e.family("lodastack_agent_plugin_duration_seconds", "gauge", "How long the plugin's last run took.")
	for _, p := range plugins {
		e.sample(p.Duration, label(p)...)
	}
	e.family("lodastack_agent_plugin_interval_seconds", "gauge", "How often the plugin runs; 0: on demand only.")
	for _, p := range plugins {
		e.sample(p.Interval, label(p)...)
	}
	e.family("lodastack_agent_plugin_last_run_timestamp_seconds", "gauge", "When the plugin's last finished run began, in Unix time; 0: it has not run yet.")
	for _, p := range plugins {
		e.sample(unixSeconds(p.LastRun), label(p)...)
	}
	e.family("lodastack_agent_plugin_runs_total", "counter", "Runs of the plugin.")
	for _, p := range plugins {
		e.sample(float64(p.Runs), label(p)...)
	}
	e.family("lodastack_agent_plugin_failures_total", "counter", "Runs of the plugin that failed.")
	for _, p := range plugins {
		e.sample(float64(p.Failures), label(p)...)
	}
	e.family("lodastack_agent_plugin_invalid_metrics_total", "counter", "Metrics of the plugin that could not be sent.")
	for _, p := range plugins {
		e.sample(float64(p.Invalid), label(p)...)
	}
}

func (e *exposition) statsd(s StatsdFigures) {
	count := func(name, help string, value int64) {
		e.family("lodastack_agent_statsd_"+name+"_total", "counter", help)
		e.sample(float64(value))
	}
	count("packets", "Packets of statsd that were read.", s.Packets)
	count("packets_dropped", "Packets of statsd that the kernel dropped, because its buffer was full.", s.PacketsDropped)
	count("samples", "Samples of statsd that count.", s.Samples)
	count("samples_dropped", "Samples of statsd for which there was no room.", s.SamplesDropped)
	count("bad_lines", "Lines that are not statsd.", s.BadLines)
	count("unsupported_lines", "Events and service checks of DogStatsD, which are ignored.", s.UnsupportedLines)
	count("points", "Points of statsd that were accepted.", s.Points)
	count("points_lost", "Points of statsd that were refused for good, or did not get out before a stop.", s.PointsLost)
	e.family("lodastack_agent_statsd_series", "gauge", "Series of statsd that there are now.")
	e.sample(float64(s.Series))
}

// answers adds how the API's endpoints answered.
func (e *exposition) answers(counts map[answerKey]int64, endpoints map[string]endpoint) {
	for path, served := range endpoints {
		for _, code := range served.codes() {
			counts[answerKey{path, code}] += 0
		}
	}
	e.family("lodastack_agent_http_answers_total", "counter", "Answers of the HTTP API, by path and status code.")
	for _, key := range slices.SortedFunc(maps.Keys(counts), answerKey.compare) {
		e.sample(float64(counts[key]), "path", key.path, "code", strconv.Itoa(key.code))
	}
}
