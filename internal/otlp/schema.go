package otlp

import "google.golang.org/protobuf/encoding/protowire"

// kind is how a value is written, in JSON and in the binary form.
type kind int

const (
	text     kind = iota // string
	boolean              // bool
	double               // double; in JSON also "NaN", "Infinity" and "-Infinity"
	varint               // int64 and uint32; in JSON a number, or a string that holds one
	fixed64              // fixed64 and sfixed64, likewise
	embedded             // a message
)

// object are the fields of a message by their names in JSON. Others are ignored.
type object map[string]member

// member is a field of a message.
type member struct {
	number   protowire.Number
	kind     kind
	repeated bool
	of       object // of an embedded message
}

// request returns the fields of ExportMetricsServiceRequest that [Read] reads.
func request() object {
	attributes := func(number protowire.Number) member {
		value := object{"stringValue": {number: 1}, "boolValue": {number: 2, kind: boolean}, "intValue": {number: 3, kind: varint}, "doubleValue": {number: 4, kind: double}}
		return list(number, object{"key": {number: 1}, "value": message(2, value)})
	}
	number := object{
		"attributes": attributes(7), "timeUnixNano": {number: 3, kind: fixed64}, "asDouble": {number: 4, kind: double},
		"asInt": {number: 6, kind: fixed64}, "flags": {number: 8, kind: varint},
	}
	histogram := object{
		"attributes": attributes(9), "timeUnixNano": {number: 3, kind: fixed64}, "count": {number: 4, kind: fixed64}, "sum": {number: 5, kind: double},
		"bucketCounts": {number: 6, kind: fixed64, repeated: true}, "explicitBounds": {number: 7, kind: double, repeated: true}, "flags": {number: 10, kind: varint},
	}
	exponential := object{
		"attributes": attributes(1), "timeUnixNano": {number: 3, kind: fixed64}, "count": {number: 4, kind: fixed64}, "sum": {number: 5, kind: double},
		"flags": {number: 10, kind: varint},
	}
	summary := object{
		"attributes": attributes(7), "timeUnixNano": {number: 3, kind: fixed64}, "count": {number: 4, kind: fixed64}, "sum": {number: 5, kind: double},
		"quantileValues": list(6, object{"quantile": {number: 1, kind: double}, "value": {number: 2, kind: double}}), "flags": {number: 8, kind: varint},
	}
	points := func(number protowire.Number, point object) member {
		return message(number, object{"dataPoints": list(1, point)})
	}
	metric := object{
		"name": {number: 1}, "gauge": points(5, number), "sum": points(7, number), "histogram": points(9, histogram),
		"exponentialHistogram": points(10, exponential), "summary": points(11, summary),
	}
	scope := object{"scope": message(1, object{"name": {number: 1}, "version": {number: 2}}), "metrics": list(2, metric)}
	resource := object{"resource": message(1, object{"attributes": attributes(1)}), "scopeMetrics": list(2, scope)}
	return object{"resourceMetrics": list(1, resource)}
}

func message(number protowire.Number, of object) member {
	return member{number: number, kind: embedded, of: of}
}

func list(number protowire.Number, of object) member {
	return member{number: number, kind: embedded, repeated: true, of: of}
}
