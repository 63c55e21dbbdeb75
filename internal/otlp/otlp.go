// Package otlp reads metrics as OpenTelemetry's exporters send them: an
// ExportMetricsServiceRequest of OTLP 1, in its binary form or in JSON.
//
//	JSON ──► FromJSON ──► binary form ──► Read ──► points
//
// The generated messages would add 1.5 to 5.6 MiB to the program (docs/decisions/otlp.md), so the
// package reads the few messages that metrics need, field by field.
//
// A data point becomes points as Prometheus' text format has them: a number is NAME; a histogram
// is NAME_count, NAME_sum and the cumulative NAME_bucket with the tag le; a summary is NAME_count,
// NAME_sum and NAME with the tag quantile. An exponential histogram has its count and sum only.
//
// https://opentelemetry.io/docs/specs/otlp/
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/postbody"
)

// Add takes a point of the data point with this number, from 0. If bad is not nil, the data point
// cannot be sent, and p has only its name. An error of Add ends the reading.
type Add func(dataPoint int, p postbody.Point, bad error) error

// Read passes the points of a request in the binary form to add. It returns add's error, or says
// why the message is none.
func Read(message []byte, add Add) error {
	r := reader{add: add, texts: make(texts)}
	return r.each(message, 1, r.resourceMetrics)
}

// reader reads one request.
type reader struct {
	add       Add
	texts     texts
	resource  []tag // tags of the resource that is being read
	scope     []tag // and of the scope
	name      string
	dataPoint int // number of the next data point
}

// each calls read for each embedded message of the number.
func (r *reader) each(message []byte, number protowire.Number, read func([]byte) error) error {
	for f, err := range fields(message) {
		if err != nil {
			return err
		}
		if !f.is(number, protowire.BytesType) {
			continue
		}
		if err := read(f.bytes); err != nil {
			return err
		}
	}
	return nil
}

// resourceMetrics reads a ResourceMetrics. Its fields may come in any order, but the resource has
// to be known first.
func (r *reader) resourceMetrics(message []byte) error {
	r.resource = r.resource[:0]
	err := r.each(message, 1, func(resource []byte) error {
		return r.each(resource, 1, func(attribute []byte) error {
			t, err := r.attribute(attribute)
			if t.value != "" && !describesProcess(t.key) {
				r.resource = append(r.resource, t)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return r.each(message, 2, r.scopeMetrics)
}

// scopeMetrics reads a ScopeMetrics.
func (r *reader) scopeMetrics(message []byte) error {
	r.scope = r.scope[:0]
	err := r.each(message, 1, func(scope []byte) error {
		for f, err := range fields(scope) {
			if err != nil {
				return err
			}
			key := ""
			switch {
			case f.is(1, protowire.BytesType):
				key = "otel.library.name"
			case f.is(2, protowire.BytesType):
				key = "otel.library.version"
			}
			if key != "" && len(f.bytes) > 0 {
				r.scope = append(r.scope, tag{key, r.texts.of(f.bytes)})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.each(message, 2, r.metric)
}

// metric reads a Metric: its name, and then its data points.
func (r *reader) metric(message []byte) error {
	r.name = ""
	err := r.each(message, 1, func(name []byte) error {
		r.name = influxdb.CleanName(string(name))
		return nil
	})
	if err != nil {
		return err
	}
	for f, err := range fields(message) {
		if err != nil {
			return err
		}
		if f.typ != protowire.BytesType {
			continue
		}
		switch f.number {
		case 5, 7: // Gauge, Sum
			err = r.each(f.bytes, 1, r.dataPoints(numberFields))
		case 9: // Histogram
			err = r.each(f.bytes, 1, r.dataPoints(histogramFields))
		case 10: // ExponentialHistogram
			err = r.each(f.bytes, 1, r.dataPoints(exponentialFields))
		case 11: // Summary
			err = r.each(f.bytes, 1, r.dataPoints(summaryFields))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dataPoints returns what reads a data point with these fields.
func (r *reader) dataPoints(known pointFields) func([]byte) error {
	return func(message []byte) error {
		d, err := r.readPoint(message, known)
		if err != nil {
			return fmt.Errorf("metric %.100q: %w", r.name, err)
		}
		number := r.dataPoint
		r.dataPoint++
		if d.flags&noRecordedValue != 0 {
			return nil
		}
		if bad := d.check(); bad != nil {
			return r.add(number, postbody.Point{Name: r.name}, bad)
		}
		return d.points(r.name, func(p postbody.Point) error { return r.add(number, p, nil) })
	}
}
