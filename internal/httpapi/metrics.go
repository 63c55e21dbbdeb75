package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// serveMetrics answers with the agent's own figures in the text format of
// Prometheus.
func (a *api) serveMetrics(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var e exposition
	e.figures(a.agent.Figures())
	e.answers(a.answers.counts())
	_, _ = w.Write(e.text) // a caller that went away wants no answer
	return nil
}

// figures adds the agent's own figures.
func (e *exposition) figures(f Figures) {
	e.family("lodastack_agent_build_info", "gauge", "Which build of the agent this is; always 1.")
	e.sample(1, "version", f.Version, "commit", f.Commit, "goversion", f.GoVersion)
	e.family("lodastack_agent_start_time_seconds", "gauge", "When the agent was made, in Unix time.")
	e.sample(unixSeconds(f.Started))
	e.accounts(f.Accounts)
	e.output(f.Output)
	e.registry(f.Registry)
	e.collectors(f.Collectors)
	e.plugins(f.Plugins)
}

// output adds the figures of the output. One that keeps on disk what its
// servers do not take has not failed, so that the servers count too.
func (e *exposition) output(o OutputFigures) {
	allDown := len(o.Servers) > 0
	for _, server := range o.Servers {
		allDown = allDown && server.Down
	}
	e.family("lodastack_agent_output_up", "gauge", "Whether points get out: the last write succeeded, and not all servers are down.")
	e.sample(truth(!o.Failed && !allDown))
	e.family("lodastack_agent_output_server_up", "gauge", "Whether the server took what was last sent to it, or is not used yet.")
	for _, server := range o.Servers {
		e.sample(truth(!server.Down), "server", server.Address)
	}
	if o.Disk == nil {
		return
	}
	e.family("lodastack_agent_output_disk_points", "gauge", "Points on disk that are still to be delivered.")
	e.sample(float64(o.Disk.Points))
	e.family("lodastack_agent_output_disk_bytes", "gauge", "Size of the files in which points wait.")
	e.sample(float64(o.Disk.Bytes))
}

func (e *exposition) accounts(accounts map[string]Account) {
	namespaces := slices.Sorted(maps.Keys(accounts))
	e.family("lodastack_agent_points_accepted_total", "counter", "Points that the agent took responsibility for.")
	for _, ns := range namespaces {
		e.sample(float64(accounts[ns].Accepted), "namespace", ns)
	}
	e.family("lodastack_agent_points_delivered_total", "counter", "Points that the output acknowledged.")
	for _, ns := range namespaces {
		e.sample(float64(accounts[ns].Delivered), "namespace", ns)
	}
	e.family("lodastack_agent_points_waiting", "gauge", "Points in memory or on disk that are still to be delivered.")
	for _, ns := range namespaces {
		e.sample(float64(accounts[ns].Waiting), "namespace", ns)
	}
	e.family("lodastack_agent_points_dropped_total", "counter", "Points that were lost, by reason.")
	for _, ns := range namespaces {
		dropped := accounts[ns].Dropped
		for _, reason := range slices.Sorted(maps.Keys(dropped)) {
			e.sample(float64(dropped[reason]), "namespace", ns, "reason", reason)
		}
	}
}

func (e *exposition) registry(r RegistryFigures) {
	e.family("lodastack_agent_registry_up", "gauge", "Whether the last conversation with the registry went well.")
	e.sample(truth(!r.Failed && !r.Answered.IsZero()))
	e.family("lodastack_agent_assignments_in_force", "gauge", "Whether it is known what to collect.")
	e.sample(truth(r.InForce))
	e.family("lodastack_agent_registry_problems", "gauge", "Items of the registry's last answers that made no sense.")
	e.sample(float64(r.Problems))
	if !r.Answered.IsZero() {
		e.family("lodastack_agent_registry_answer_timestamp_seconds", "gauge", "When the registry last gave a good answer, in Unix time: time() minus this is its age.")
		e.sample(unixSeconds(r.Answered))
	}
}

func (e *exposition) collectors(collectors []CollectorFigures) {
	e.family("lodastack_agent_collector_duration_seconds", "gauge", "How long the collector's last run took.")
	for _, c := range collectors {
		e.sample(c.Duration, "collector", c.Kind)
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
		if p.HasRun {
			e.sample(p.Duration, label(p)...)
		}
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

// answers adds how the API's endpoints answered.
func (e *exposition) answers(counts map[answerKey]int64) {
	e.family("lodastack_agent_http_answers_total", "counter", "Answers of the HTTP API, by path and status code.")
	for _, key := range slices.SortedFunc(maps.Keys(counts), answerKey.compare) {
		e.sample(float64(counts[key]), "path", key.path, "code", strconv.Itoa(key.code))
	}
}
