package main

import (
	"fmt"
	"strconv"

	"github.com/lodastack/agent"
)

// formatNames are what plugins print, by the format that they name in plugin.toml.
var formatNames = map[string]string{
	"": "a JSON list", "json": "a JSON list", "influx": "line protocol", "prometheus": "Prometheus' text", "nagios": "the result of a Nagios check",
}

// checkOutput checks what the plugin printed.
func checkOutput(t trial) []verdict {
	list := verdict{about: "it prints " + formatNames[t.runs[0].Format]}
	if t.daemon && list.about == "it prints a JSON list" {
		list.about = "it prints JSON, one metric or list a line"
	}
	good := verdict{about: "each metric of it can be sent"}
	types := verdict{about: "the values of a name are of one type"}
	once := verdict{about: "each metric has a name and tags of its own"}
	times := verdict{about: "timestamps are Unix seconds of now, or 0"}
	steady := verdict{about: "tags are the same from run to run"}

	var outputs [][]agent.Metric
	for _, run := range t.runs {
		if runResult(run.err) == agent.RunOutput {
			list.faults = []string{run.err.Error()}
		}
		if run.err != nil {
			continue
		}
		if run.outputErr != nil {
			list.faults = append(list.faults, run.outputErr.Error())
			break
		}
		outputs = append(outputs, run.output.Metrics)
		if len(good.faults) == 0 {
			for _, fault := range run.output.Reasons {
				good.faults = append(good.faults, fault.Error())
			}
		}
	}
	if len(outputs) == 0 {
		list.skipped = len(list.faults) == 0
		good.skipped, types.skipped, once.skipped, times.skipped, steady.skipped = true, true, true, true, true
	} else {
		types.faults = mixedTypes(outputs)
		if once.skipped = t.daemon; !t.daemon { // it measures the same again and again
			once.faults = repeated(outputs[0])
		}
		times.faults = wrongTimes(outputs[0], t.began)
		steady.faults = timesInTags(outputs[0], t.began)
	}
	switch {
	case len(outputs) == tagRuns:
		steady.faults = append(steady.faults, changingTags(outputs[0], outputs[1])...)
	case len(steady.faults) == 0:
		steady.skipped = true
	}
	return []verdict{list, good, types, once, times, steady}
}

// mixedTypes finds names with values of several types, because InfluxDB takes
// the type of the first value and refuses others. It also finds numbers in
// quotes: they are stored as text and cannot be used in calculations.
func mixedTypes(outputs [][]agent.Metric) (faults []string) {
	types := make(map[string]string)
	said := make(map[string]bool)
	for _, metrics := range outputs {
		for _, m := range metrics {
			if fault := typeFault(m, types); fault != "" && !said[m.Name] {
				said[m.Name] = true
				faults = append(faults, fmt.Sprintf("%s: %s", m.Name, fault))
			}
		}
	}
	return faults
}

// typeFault compares the type of m's value with the first one of its name,
// which it stores in types.
func typeFault(m agent.Metric, types map[string]string) string {
	kind := "a number"
	switch v := m.Value.(type) {
	case bool:
		kind = "true or false"
	case string:
		kind = "text"
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			return fmt.Sprintf("the value %q is text; write numbers without quotes", v)
		}
	}
	first, known := types[m.Name]
	if known && first != kind {
		return fmt.Sprintf("a value is %s, another is %s; InfluxDB stores only one of the two", first, kind)
	}
	types[m.Name] = kind
	return ""
}
