package agent

import "github.com/lodastack/agent/internal/pluginoutput"

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
	var metrics []Metric
	output, err := decodeOutput(stdout, func(part []Metric) { metrics = append(metrics, part...) })
	output.Metrics = metrics
	return output, err
}

// decodeOutput is [DecodePluginOutput], but calls send with the metrics in parts, so
// that a large output does not take its size many times in memory. Nothing is sent of
// what is no list.
func decodeOutput(stdout []byte, send func(part []Metric)) (PluginOutput, error) {
	elements, err := pluginoutput.Elements(stdout)
	if err != nil {
		return PluginOutput{}, err
	}
	var output PluginOutput
	i := 0
	for element := range elements {
		output.add(i, element)
		i++
		if len(output.Metrics) == metricsAtOnce {
			send(output.Metrics)
			output.Metrics = nil
		}
	}
	if len(output.Metrics) > 0 {
		send(output.Metrics)
	}
	return output, nil
}

const (
	// metricsAtOnce is how many metrics of a plugin's output are sent at a time.
	metricsAtOnce = 1000
	// maxReasons bounds what a list of millions of bad metrics takes.
	maxReasons = 1000
)

// add takes the element of the index.
func (o *PluginOutput) add(index int, element []byte) {
	if element[0] != '{' && len(o.Reasons) == maxReasons {
		o.Bad++ // for less than an error takes: there may be millions
		return
	}
	var m Metric
	err := pluginoutput.Decode(element, &m)
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
