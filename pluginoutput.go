package agent

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/plugins"
)

// PluginOutput is what a plugin printed.
type PluginOutput struct {
	// Metrics that can be sent.
	Metrics []Metric
	// Bad is the number of metrics that cannot be sent, and Reasons says why, of
	// the first 1,000 of them.
	Bad     int
	Reasons []*MetricError
}

// DecodePluginOutput reads what a plugin printed: a JSON list of metrics. What is
// no list at all is an error. Unknown keys are ignored, and so is a byte order
// mark. NaN and Infinity, which Python prints, make a metric bad.
func DecodePluginOutput(stdout []byte) (PluginOutput, error) {
	return DecodePluginRun(Plugin{}, stdout, nil)
}

// DecodePluginRun reads what a plugin printed, in its Format and Mode, in a run whose
// error is err. It returns err where it means that the run failed: the exit
// statuses 1, 2 and 3 of a Nagios check are its result. A bad line of the formats
// other than json, or of a daemon, is a bad metric; the rest is read.
func DecodePluginRun(p Plugin, stdout []byte, err error) (PluginOutput, error) {
	run := printed{format: pluginoutput.Format(p.Format), stdout: stdout, stream: p.Mode == ModeDaemon}
	if !run.takes(err) {
		return PluginOutput{}, err
	}
	var metrics []Metric
	output, err := run.decode(func(part []Metric) { metrics = append(metrics, part...) })
	output.Metrics = metrics
	return output, err
}

// printed is what a run printed.
type printed struct {
	format pluginoutput.Format
	status int // with which it exited
	stdout []byte
	stream bool // stdout is lines of a daemon: in JSON, each is a metric or a list
}

// takes tells whether a run did its work that ended with err, and notes its exit
// status: those of a Nagios check are its result. A daemon has failed when it exits,
// also with 0.
func (p *printed) takes(err error) bool {
	if p.stream {
		return err == nil
	}
	var exit *RunError
	if errors.As(err, &exit) && exit.Result == RunExit {
		p.status = exit.ExitCode
		return p.format.TakesStatus(exit.ExitCode)
	}
	return err == nil
}

// decode calls send with the metrics in parts, so that a large output does not take
// its size many times in memory. Nothing is sent of what is no list where it should
// be one.
func (p printed) decode(send func(part []Metric)) (PluginOutput, error) {
	var output PluginOutput
	if err := p.readInto(&output, func() {
		if len(output.Metrics) == metricsAtOnce {
			send(output.Metrics)
			output.Metrics = nil
		}
	}); err != nil {
		return PluginOutput{}, err
	}
	if len(output.Metrics) > 0 {
		send(output.Metrics)
	}
	return output, nil
}

// readInto adds what was printed to output, and calls added after each metric.
func (p printed) readInto(output *PluginOutput, added func()) error {
	i := 0
	if p.format == "" || p.format == pluginoutput.JSON {
		return p.readJSON(output, added)
	}
	for point, err := range pluginoutput.Points(p.format, p.stdout, p.status) {
		output.add(i, Metric(point), err)
		added()
		i++
	}
	return nil
}

const (
	// metricsAtOnce is how many metrics of a plugin's output are sent at a time.
	metricsAtOnce = 1000
	// maxReasons bounds what a list of millions of bad metrics takes.
	maxReasons = 1000
)

// readJSON is readInto for JSON. It returns no error for lines of a daemon.
func (p printed) readJSON(output *PluginOutput, added func()) error {
	i := 0
	add := func(element []byte) {
		output.addElement(i, element)
		added()
		i++
	}
	if !p.stream {
		elements, err := pluginoutput.Elements(p.stdout)
		if err != nil {
			return err
		}
		for element := range elements {
			add(element)
		}
		return nil
	}
	for line := range bytes.Lines(p.stdout) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		list := line
		if line[0] != '[' {
			list = slices.Concat([]byte("["), line, []byte("]"))
		}
		elements, err := pluginoutput.Elements(list)
		if err != nil {
			add(line) // which says what is wrong with it
			continue
		}
		for element := range elements {
			add(element)
		}
	}
	return nil
}

// addElement takes the element of a JSON list.
func (o *PluginOutput) addElement(index int, element []byte) {
	if element[0] != '{' && len(o.Reasons) == maxReasons {
		o.Bad++ // for less than an error takes: there may be millions
		return
	}
	var m Metric
	err := pluginoutput.Decode(element, &m)
	o.add(index, m, err)
}

// add takes the metric of the index, which could be read unless there is an err.
func (o *PluginOutput) add(index int, m Metric, err error) {
	if err == nil {
		err = m.Validate()
	}
	if err == nil {
		o.Metrics = append(o.Metrics, m)
		return
	}
	o.Bad++
	if len(o.Reasons) < maxReasons {
		o.Reasons = append(o.Reasons, &MetricError{Index: index, Name: m.Name, Err: err})
	}
}

// pluginOutput takes what plugins print and how their runs end.
type pluginOutput struct{ *Agent }

var _ plugins.Output = pluginOutput{}

func (o pluginOutput) Send(p plugins.Plugin, run plugins.Printed) (sent int, bad plugins.Bad, err error) {
	var refused []*MetricError
	decoded, err := printed{format: run.Format, status: run.Status, stdout: run.Stdout}.decode(func(part []Metric) {
		sent += len(part)
		refused = append(refused, o.buffer(p.Namespace, p.Name+".", part)...)
	})
	return sent, decoded.bad(refused), err
}

func (o pluginOutput) SendLines(ctx context.Context, p plugins.Plugin, format pluginoutput.Format, lines []byte) plugins.Bad {
	var refused []*MetricError
	decoded, _ := printed{format: format, stdout: lines, stream: true}.decode(func(part []Metric) { // each line has an error of its own
		refused = append(refused, o.bufferWaiting(ctx, p.Namespace, p.Name+".", part)...)
	})
	return decoded.bad(refused)
}

// Report sends how a run ended as the metric plugin.NAME.
func (o pluginOutput) Report(p plugins.Plugin, kind, result string) {
	value := 1.0
	if result == plugins.OK {
		value = 0
	}
	o.buffer(p.Namespace, "", []Metric{{
		Name:  "plugin." + strings.TrimPrefix(p.Name, pluginPrefix),
		Tags:  map[string]string{"type": kind, "result": result},
		Value: value,
	}})
}

// bad counts the bad metrics of an output, of which some were refused after it was read.
func (o *PluginOutput) bad(refused []*MetricError) plugins.Bad {
	bad := plugins.Bad{Count: o.Bad + len(refused)}
	if bad.Count > 0 {
		bad.First = append(o.Reasons, refused...)[0]
	}
	return bad
}
