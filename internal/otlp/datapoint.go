package otlp

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodastack/agent/internal/postbody"
)

const (
	// maxAttributes bounds the attributes of a data point, those of its resource and scope
	// included. Each becomes a tag of each of its points.
	maxAttributes = 64
	// maxQuantiles bounds those of a summary. An empty one takes two bytes of a message.
	maxQuantiles = 1000
)

// noRecordedValue is the flag of a data point without a value.
const noRecordedValue = 1

// pointFields are the numbers of the fields of a kind of data point; 0: it has no such field.
type pointFields struct {
	attributes, double, integer, count, sum, counts, bounds, quantiles, flags protowire.Number
}

// Fields of NumberDataPoint, HistogramDataPoint, ExponentialHistogramDataPoint and
// SummaryDataPoint. The time is the field 3 of each.
var (
	numberFields      = pointFields{attributes: 7, double: 4, integer: 6, flags: 8}
	histogramFields   = pointFields{attributes: 9, count: 4, sum: 5, counts: 6, bounds: 7, flags: 10}
	exponentialFields = pointFields{attributes: 1, count: 4, sum: 5, flags: 10}
	summaryFields     = pointFields{attributes: 7, count: 4, sum: 5, quantiles: 6, flags: 8}
)

const timeField = 3

// dataPoint is a data point of any kind.
type dataPoint struct {
	// attributes is how many there are, those of the resource and the scope included. tags
	// has the first of them.
	attributes int
	tags       map[string]string
	time       uint64 // in Unix nanoseconds; 0: not known
	flags      uint64
	value      *float64 // of a number
	count      *uint64
	sum        *float64
	counts     []uint64 // of a histogram's buckets, one more than bounds
	bounds     []uint64 // upper ones, as the bits of a float64
	quantiles  []quantile
}

type quantile struct{ quantile, value float64 }

// readPoint reads a data point.
func (r *reader) readPoint(message []byte, known pointFields) (d dataPoint, err error) {
	if d.attributes = len(r.resource) + len(r.scope); d.attributes <= maxAttributes {
		d.tags = make(map[string]string, d.attributes+4)
		for _, t := range r.resource {
			d.tags[t.key] = t.value
		}
		for _, t := range r.scope {
			d.tags[t.key] = t.value
		}
	}
	// A count of 0 is not on the wire, nor is the sum of a summary. Only the value of a number
	// and the sum of a histogram say that they are not known.
	if known.count != 0 {
		d.count = new(uint64)
	}
	if known.quantiles != 0 {
		d.sum = new(float64)
	}
	for f, err := range fields(message) {
		if err == nil {
			err = r.readField(&d, f, known)
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

func (r *reader) readField(d *dataPoint, f field, known pointFields) (err error) {
	number := math.Float64frombits(f.bits)
	switch {
	case f.is(timeField, protowire.Fixed64Type):
		d.time = f.bits
	case f.is(known.flags, protowire.VarintType):
		d.flags = f.bits
	case f.is(known.attributes, protowire.BytesType):
		var t tag
		if t, err = r.attribute(f.bytes); t.value == "" {
			break
		}
		if d.attributes++; d.attributes <= maxAttributes {
			d.tags[t.key] = t.value
		}
	case f.is(known.double, protowire.Fixed64Type):
		d.value = &number
	case f.is(known.integer, protowire.Fixed64Type):
		number = float64(int64(f.bits))
		d.value = &number
	case f.is(known.count, protowire.Fixed64Type):
		d.count = &f.bits
	case f.is(known.sum, protowire.Fixed64Type):
		d.sum = &number
	case f.number == known.counts && (f.typ == protowire.BytesType || f.typ == protowire.Fixed64Type):
		d.counts, err = appendFixed64(d.counts, f)
	case f.number == known.bounds && (f.typ == protowire.BytesType || f.typ == protowire.Fixed64Type):
		d.bounds, err = appendFixed64(d.bounds, f)
	case f.is(known.quantiles, protowire.BytesType):
		var q quantile
		if q, err = readQuantile(f.bytes); len(d.quantiles) <= maxQuantiles {
			d.quantiles = append(d.quantiles, q)
		}
	}
	return err
}

// readQuantile reads a ValueAtQuantile.
func readQuantile(message []byte) (q quantile, err error) {
	for f, err := range fields(message) {
		switch {
		case err != nil:
			return quantile{}, err
		case f.is(1, protowire.Fixed64Type):
			q.quantile = math.Float64frombits(f.bits)
		case f.is(2, protowire.Fixed64Type):
			q.value = math.Float64frombits(f.bits)
		}
	}
	return q, nil
}

// check returns why the data point cannot be sent, or nil.
func (d *dataPoint) check() error {
	if d.attributes > maxAttributes {
		return fmt.Errorf("it has more than %d attributes, those of its resource and scope included", maxAttributes)
	}
	if len(d.counts) > 0 && len(d.counts) != len(d.bounds)+1 {
		return fmt.Errorf("it has %d buckets and %d bounds; there must be one bucket more", len(d.counts), len(d.bounds))
	}
	if len(d.quantiles) > maxQuantiles {
		return fmt.Errorf("it has more than %d quantiles", maxQuantiles)
	}
	if d.value == nil && d.count == nil {
		return errors.New("it has no value")
	}
	return nil
}

// points passes the points of the data point to add, until that returns an error. Successive points
// with the same tags share the map.
func (d *dataPoint) points(name string, add func(postbody.Point) error) (err error) {
	point := func(name string, tags map[string]string, value float64) {
		if err == nil {
			err = add(postbody.Point{Name: name, Timestamp: int64(d.time / uint64(time.Second)), Tags: tags, Value: value})
		}
	}
	if d.value != nil {
		point(name, d.tags, *d.value)
	}
	if d.count != nil {
		point(name+"_count", d.tags, float64(*d.count))
	}
	if d.sum != nil {
		point(name+"_sum", d.tags, *d.sum)
	}
	bucket, total := name+"_bucket", 0.0
	for i := 0; i < len(d.counts) && err == nil; i++ {
		bound := math.Inf(1)
		if i < len(d.bounds) {
			bound = math.Float64frombits(d.bounds[i])
		}
		total += float64(d.counts[i])
		point(bucket, d.with("le", bound), total)
	}
	for i := 0; i < len(d.quantiles) && err == nil; i++ {
		point(name, d.with("quantile", d.quantiles[i].quantile), d.quantiles[i].value)
	}
	return err
}

// with returns the tags and one more.
func (d *dataPoint) with(key string, value float64) map[string]string {
	tags := make(map[string]string, len(d.tags)+1)
	maps.Copy(tags, d.tags)
	tags[key] = formatFloat(value)
	return tags
}
