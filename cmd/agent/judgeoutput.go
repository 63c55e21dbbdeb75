package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/lodastack/agent"
)

// judgeOutput judges what the plugin printed.
func judgeOutput(t trial) []verdict {
	list := verdict{about: "it prints a JSON list"}
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
		metrics, bad, err := parseOutput(run.Stdout)
		if err != nil {
			list.faults = append(list.faults, err.Error())
			break
		}
		outputs = append(outputs, metrics)
		if len(good.faults) == 0 {
			good.faults = bad
		}
	}
	if len(outputs) == 0 {
		list.skipped = len(list.faults) == 0
		good.skipped, types.skipped, once.skipped, times.skipped, steady.skipped = true, true, true, true, true
	} else {
		types.faults = mixedTypes(outputs)
		once.faults = repeated(outputs[0])
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

// parseOutput reads the list of metrics and says what is wrong with which.
func parseOutput(stdout []byte) (metrics []agent.Metric, bad []string, err error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(stdout, &elements); err != nil {
		return nil, nil, notAList(stdout, err)
	}
	if elements == nil {
		return nil, nil, errors.New("null is no list; print [] where there is nothing")
	}
	for i, element := range elements {
		var m agent.Metric
		err := json.Unmarshal(element, &m)
		if err == nil {
			err = m.Validate()
		}
		if err != nil {
			bad = append(bad, fmt.Sprintf("metric %d (%.100q): %v", i, m.Name, wrongField(err)))
			continue
		}
		metrics = append(metrics, m)
	}
	return metrics, bad, nil
}

// shownAround is how many bytes are shown around what is no JSON.
const shownAround = 30

// notAList says what a list is to whoever printed something else, and where it
// begins to be something else.
func notAList(stdout []byte, err error) error {
	const wanted = `print [ {"name": "…", "value": 1}, … ], or [] where there is nothing`
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case len(stdout) == 0:
		return errors.New("it printed nothing; " + wanted)
	case errors.As(err, &kind):
		return fmt.Errorf("it printed JSON, but the %s is no list; %s", kind.Value, wanted)
	case errors.As(err, &syntax):
		at := int(syntax.Offset)
		return fmt.Errorf("%w, at byte %d: … %s …; %s", err, at, bytes.TrimSpace(stdout[max(0, at-shownAround):min(len(stdout), at+shownAround)]), wanted)
	}
	return fmt.Errorf("%w; %s", err, wanted)
}

// wrongField puts what encoding/json says of a metric in an author's words.
func wrongField(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err
	}
	switch kind.Field {
	case "":
		return fmt.Errorf(`a %s is no metric: write {"name": "…", "value": 1}`, kind.Value)
	case "timestamp":
		return fmt.Errorf("the timestamp is a %s: write whole seconds without a fraction or quotes, or leave it out", kind.Value)
	case "name":
		return fmt.Errorf("the name is a %s: put it in quotes", kind.Value)
	case "tags":
		return fmt.Errorf(`in the tags there is a %s: they are {"key": "value"}, both in quotes`, kind.Value)
	}
	return err
}

// mixedTypes finds names of which not all values can be stored, because
// InfluxDB takes the type of the first. It also finds numbers in quotes: they
// are stored as text, with which no one can calculate.
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

// typeFault judges the type of m's value by the first one of its name, which
// it puts into types.
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
