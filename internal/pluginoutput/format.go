// Package pluginoutput reads the output of a plugin, in each of the formats that a plugin may
// choose. Its errors are for the plugin's author. The agent decides whether a metric can be
// sent.
//
//	json        a list of metrics        json.go
//	influx      line protocol            internal/lineproto
//	prometheus  text or OpenMetrics      prometheus.go
//	nagios      status, text, perfdata   nagios.go
package pluginoutput

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/lineproto"
)

// Format is the format of a plugin's output.
type Format string

// The formats. An empty Format is JSON.
const (
	JSON       Format = "json"
	Influx     Format = "influx"
	Prometheus Format = "prometheus"
	Nagios     Format = "nagios"
)

// Formats are all formats.
func Formats() []string {
	return []string{string(JSON), string(Influx), string(Prometheus), string(Nagios)}
}

// Check returns an error that names the formats if there is no such format.
func (f Format) Check() error {
	if f == "" || slices.Contains(Formats(), string(f)) {
		return nil
	}
	return fmt.Errorf("there is no format %.100q: there are %s", string(f), strings.Join(Formats(), ", "))
}

// TakesStatus reports whether a run that exits with the status has succeeded: the first four
// statuses of a Nagios check are its result.
func (f Format) TakesStatus(status int) bool {
	return status == 0 || f == Nagios && status > 0 && status <= NagiosUnknown
}

// Print is what a plugin printed.
type Print struct {
	Format Format
	// Status is the exit status of the run, which is a part of Nagios' format.
	Status int
	Stdout []byte
	// Lines means that Stdout is whole lines of a daemon: in JSON, each line is a metric or
	// a list of metrics.
	Lines bool
}

// Points yields the printed metrics as it reads them. With an error it yields a Point with
// the name as far as it was read. It reads the rest nevertheless. The error of Points itself
// says why JSON is not a list; lines and other formats have none.
//
// In a format other than JSON, a character that a metric's name cannot contain is replaced by
// '_'. A byte order mark is ignored.
func (p Print) Points() (iter.Seq2[lineproto.Point, error], error) {
	stdout := bytes.TrimPrefix(p.Stdout, []byte("\xef\xbb\xbf"))
	var points iter.Seq2[lineproto.Point, error]
	switch {
	case p.Format == Influx:
		points = lineproto.Points(stdout, 0)
	case p.Format == Prometheus:
		points = prometheusPoints(string(stdout))
	case p.Format == Nagios:
		points = nagiosPoints(string(stdout), p.Status)
	case p.Lines:
		return jsonLines(stdout), nil
	default:
		return jsonPoints(stdout)
	}
	return func(yield func(lineproto.Point, error) bool) {
		for point, err := range points {
			point.Name = influxdb.CleanName(point.Name)
			if !yield(point, err) {
				return
			}
		}
	}, nil
}
