// Package pluginoutput reads what a plugin printed, in each of the formats that
// a plugin may choose, and tells the plugin's author what is wrong with it.
// Whether a metric can be sent is for the agent to decide.
//
//	json        a list of metrics        Elements and Decode   json.go
//	influx      line protocol            Points                influx.go
//	prometheus  text or OpenMetrics      Points                prometheus.go
//	nagios      status, text, perfdata   Points                nagios.go
package pluginoutput

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/lodastack/agent/internal/lineproto"
)

// Format is the form in which a plugin prints what it measured.
type Format string

// The formats. An empty Format is JSON.
const (
	JSON       Format = "json"
	Influx     Format = "influx"
	Prometheus Format = "prometheus"
	Nagios     Format = "nagios"
)

// Formats are all that there are.
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

// TakesStatus reports whether a run that exits with the status has done its work:
// the first four statuses of a Nagios check are its result.
func (f Format) TakesStatus(status int) bool {
	return status == 0 || f == Nagios && status > 0 && status <= NagiosUnknown
}

// Points yields what a plugin printed in a format other than JSON. status is the
// exit status of its run, which is a part of Nagios' format. Beside an error
// stands what was read of the name, and what follows is read nevertheless.
//
// A character that a metric's name cannot hold is replaced by '_'.
func Points(format Format, stdout []byte, status int) iter.Seq2[lineproto.Point, error] {
	stdout = bytes.TrimPrefix(stdout, []byte("\xef\xbb\xbf"))
	var points iter.Seq2[lineproto.Point, error]
	switch format {
	case Influx:
		points = lineproto.Points(stdout)
	case Prometheus:
		points = prometheusPoints(string(stdout))
	case Nagios:
		points = nagiosPoints(string(stdout), status)
	default:
		return func(yield func(lineproto.Point, error) bool) { yield(lineproto.Point{}, errNotPoints) }
	}
	return func(yield func(lineproto.Point, error) bool) {
		for point, err := range points {
			point.Name = metricName(point.Name)
			if !yield(point, err) {
				return
			}
		}
	}
}

var errNotPoints = errors.New("a JSON list has no points")

// metricName replaces by '_' what a metric's name cannot hold.
func metricName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
}
