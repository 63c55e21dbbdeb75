package agent

import (
	"context"
	"maps"
	"strings"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/pluginoutput"
	"github.com/lodastack/agent/internal/plugins"
)

// PluginOutput is the decoded output of a plugin.
type PluginOutput struct {
	// Metrics that can be sent.
	Metrics []Metric
	// Bad is the number of metrics that cannot be sent. Reasons says why, for the first
	// 1,000 of them.
	Bad     int
	Reasons []*MetricError

	tags influxdb.Tags // of the last metric: the next one often has the same
}

// DecodePluginOutput reads the output of a plugin: a JSON list of metrics. It is an error if
// it is not a list. Unknown keys are ignored, and so is a byte order mark. NaN and Infinity,
// which Python prints, make a metric bad.
func DecodePluginOutput(stdout []byte) (PluginOutput, error) {
	return DecodePluginRun(Plugin{}, stdout, nil)
}

// DecodePluginRun reads the output of a run in the plugin's Format and Mode. err is the
// error of the run. DecodePluginRun returns it if the run has failed: the exit statuses 1, 2
// and 3 of a Nagios check are its result, not a failure. A bad line of a format other than
// json, or of a daemon, is a bad metric, and the rest is read.
func DecodePluginRun(p Plugin, stdout []byte, err error) (PluginOutput, error) {
	format := pluginoutput.Format(p.Format)
	status, ok := pluginErrors().Succeeded(format, err)
	if !ok || p.Mode == ModeDaemon && err != nil { // a daemon does not exit
		return PluginOutput{}, err
	}
	var metrics []Metric
	printed := pluginoutput.Print{Format: format, Status: status, Stdout: stdout, Lines: p.Mode == ModeDaemon}
	output, err := decode(printed, func(part []Metric) { metrics = append(metrics, part...) })
	output.Metrics = metrics
	return output, err
}

const (
	// metricsAtOnce is how many metrics of a plugin's output are sent at a time.
	metricsAtOnce = 1000
	// maxReasons bounds the memory for a list of millions of bad metrics.
	maxReasons = 1000
)

// decode calls send with the metrics in parts, so that a large output does not take
// its size many times in memory. If JSON is not a list, decode sends nothing.
func decode(printed pluginoutput.Print, send func(part []Metric)) (output PluginOutput, err error) {
	points, err := printed.Points()
	if err != nil {
		return PluginOutput{}, err
	}
	i := 0
	var tags tagsOfPart
	for point, err := range points {
		point.Tags = tags.own(point.Tags)
		output.add(i, Metric(point), err)
		if len(output.Metrics) == metricsAtOnce {
			send(output.Metrics)
			output.Metrics = nil
			tags.leave()
		}
		i++
	}
	if len(output.Metrics) > 0 {
		send(output.Metrics)
	}
	return output, nil
}

// tagsOfPart copies tags that metrics of two parts share: the receiver of a part changes
// them.
type tagsOfPart struct{ from, owned map[string]string }

// own returns the tags, or a copy if they are in a part that was sent.
func (t *tagsOfPart) own(tags map[string]string) map[string]string {
	if !influxdb.SameMap(t.from, tags) {
		t.from, t.owned = tags, tags
	}
	return t.owned
}

// leave is called after a part was sent. Only its last tags can occur in the next one.
func (t *tagsOfPart) leave() { t.owned = maps.Clone(t.owned) }

// add adds the metric of the index. err is why it could not be read.
func (o *PluginOutput) add(index int, m Metric, err error) {
	if err == nil {
		if !o.tags.Of(m.Tags) {
			o.tags = influxdb.NewTags(m.Tags)
		}
		err = (&Metric{Name: m.Name, Value: m.Value}).clean(o.tags)
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

// pluginSink receives the output of plugins and the results of their runs.
type pluginSink struct{ *Agent }

var _ plugins.Output = pluginSink{}

func (o pluginSink) Send(p plugins.Plugin, printed pluginoutput.Print) (sent int, bad plugins.Bad, err error) {
	var refused []*MetricError
	decoded, err := decode(printed, func(part []Metric) {
		sent += len(part)
		refused = append(refused, o.normaliseAndAdd(p.Namespace, p.Name+".", part)...)
	})
	return sent, decoded.bad(refused), err
}

func (o pluginSink) SendLines(ctx context.Context, p plugins.Plugin, lines pluginoutput.Print) plugins.Bad {
	var refused []*MetricError
	decoded, _ := decode(lines, func(part []Metric) { // each line has an error of its own
		refused = append(refused, o.normaliseAndWrite(ctx, p.Namespace, p.Name+".", part)...)
	})
	return decoded.bad(refused)
}

// Report sends the result of a run as the metric plugin.NAME.
func (o pluginSink) Report(p plugins.Plugin, kind, result string) {
	value := 1.0
	if result == plugins.OK {
		value = 0
	}
	o.normaliseAndAdd(p.Namespace, "", []Metric{{
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
