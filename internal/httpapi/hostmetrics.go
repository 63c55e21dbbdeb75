package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/recent"
)

// serveHostMetrics answers with the newest values of the host's own measurements
// in the text format of Prometheus.
func (a *api) serveHostMetrics(w http.ResponseWriter, _ *http.Request) error {
	memory := a.agent.Recent()
	if !memory.Remembers() {
		return errNothingRemembered()
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var e exposition
	e.host(memory.HostValues(), a.agent.Measurements())
	_, _ = w.Write(e.text) // a caller that went away wants no answer
	return nil
}

// host adds values of the host. Rates are gauges, too: the counters behind them
// are not kept.
func (e *exposition) host(values []recent.HostValue, described []Measurement) {
	help := make(map[string]string, len(described))
	for _, m := range described {
		help[m.Name] = m.Meaning + "."
		if m.Unit != "" {
			help[m.Name] = "In " + m.Unit + ": " + help[m.Name]
		}
	}
	families := make(map[string][]recent.HostValue) // names may become alike
	for _, v := range values {
		name := prometheusName(v.Name)
		families[name] = append(families[name], v)
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		family := families[name]
		text := help[family[0].Name]
		if text == "" {
			text = "The measurement " + family[0].Name + "."
		}
		e.family(name, "gauge", text)
		for _, v := range family {
			var labels []string
			for _, key := range slices.Sorted(maps.Keys(v.Tags)) {
				labels = append(labels, prometheusName(key), v.Tags[key])
			}
			e.sample(v.Value, labels...)
		}
	}
}

// prometheusName returns a name of only the characters that names of metrics and
// labels have, [a-zA-Z_][a-zA-Z0-9_]*.
//
// https://prometheus.io/docs/concepts/data_model/
func prometheusName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}
