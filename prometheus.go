package agent

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serveMetrics answers with the agent's own figures in the text format of
// Prometheus.
//
// https://prometheus.io/docs/instrumenting/exposition_formats/
func (api *httpAPI) serveMetrics(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var e exposition
	e.status(api.agent.Status())
	e.answers(api.answers.counts())
	_, _ = w.Write(e.text) // a caller that went away wants no answer
	return nil
}

// status adds all that a status says.
func (e *exposition) status(s Status) {
	e.family("lodastack_agent_build_info", "gauge", "Which build of the agent this is; always 1.")
	e.sample(1, "version", s.Build.Version, "commit", s.Build.Commit, "goversion", s.Build.GoVersion)
	e.family("lodastack_agent_start_time_seconds", "gauge", "When the agent was made, in Unix time.")
	e.sample(unixSeconds(s.Started))
	e.accounts(s.Accounts)
	e.output(s.Output)
	e.registry(s.Registry)
	e.collectors(s.Collectors)
	e.plugins(s.Plugins)
}

// output tells of the way out. An output that keeps on disk what its servers do
// not take has no error, so that the servers are looked at, too.
func (e *exposition) output(s OutputStatus) {
	isDown := func(server ServerDetails) bool { return server.State == "down" || server.State == "trial" }
	allDown := len(s.Servers) > 0
	for _, server := range s.Servers {
		allDown = allDown && isDown(server)
	}
	e.family("lodastack_agent_output_up", "gauge", "Whether points get out: the last write succeeded, and not all servers are down.")
	e.sample(truth(s.Error == "" && !allDown))
	e.family("lodastack_agent_output_server_up", "gauge", "Whether the server took what was last sent to it, or is not used yet.")
	for _, server := range s.Servers {
		e.sample(truth(!isDown(server)), "server", server.Address)
	}
	if s.Disk == nil {
		return
	}
	e.family("lodastack_agent_output_disk_points", "gauge", "Points on disk that are still to be delivered.")
	e.sample(float64(s.Disk.Points))
	e.family("lodastack_agent_output_disk_bytes", "gauge", "Size of the files in which points wait.")
	e.sample(float64(s.Disk.Bytes))
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

func (e *exposition) registry(r RegistryStatus) {
	e.family("lodastack_agent_registry_up", "gauge", "Whether the last conversation with the registry went well.")
	e.sample(truth(r.Error == "" && !r.Answered.IsZero()))
	e.family("lodastack_agent_assignments_in_force", "gauge", "Whether it is known what to collect.")
	e.sample(truth(r.InForce))
	e.family("lodastack_agent_registry_problems", "gauge", "Items of the registry's last answers that made no sense.")
	e.sample(float64(len(r.Problems)))
	if !r.Answered.IsZero() {
		e.family("lodastack_agent_registry_answer_timestamp_seconds", "gauge", "When the registry last gave a good answer, in Unix time: time() minus this is its age.")
		e.sample(unixSeconds(r.Answered))
	}
}

func (e *exposition) collectors(collectors []CollectorStatus) {
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

func (e *exposition) plugins(plugins []PluginStatus) {
	label := func(p PluginStatus) []string { return []string{"namespace", p.Namespace, "repo", p.Repo} }
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
		if p.LastRun != nil {
			e.sample(p.LastRun.Duration, label(p)...)
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

// exposition is text in the format of Prometheus.
type exposition struct {
	text   []byte
	metric string // of the current family
}

// family begins a family of samples.
func (e *exposition) family(name, kind, help string) {
	e.metric = name
	e.text = fmt.Appendf(e.text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample adds a sample to the family; labels are names and values in turn.
func (e *exposition) sample(value float64, labels ...string) {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	e.text = append(e.text, e.metric...)
	separator := byte('{')
	for i := 0; i+1 < len(labels); i += 2 {
		e.text = append(e.text, separator)
		e.text = fmt.Appendf(e.text, `%s="%s"`, labels[i], escape.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")))
		separator = ','
	}
	if len(labels) > 0 {
		e.text = append(e.text, '}')
	}
	e.text = append(e.text, ' ')
	e.text = strconv.AppendFloat(e.text, value, 'g', -1, 64)
	e.text = append(e.text, '\n')
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
