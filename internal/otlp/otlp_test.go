package otlp_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/lodastack/agent/internal/influxdb"
	"github.com/lodastack/agent/internal/otlp"
	"github.com/lodastack/agent/internal/postbody"
)

const at = 1_700_000_000_000_000_000 // Unix nanoseconds

// read returns the points of a request, and the bad data points as "number: reason".
func read(message []byte) (points []postbody.Point, bad []string, err error) {
	err = otlp.Read(message, func(dataPoint int, p postbody.Point, wrong error) error {
		if wrong != nil {
			bad = append(bad, strconv.Itoa(dataPoint)+": "+p.Name+": "+wrong.Error())
			return nil
		}
		points = append(points, p)
		return nil
	})
	return points, bad, err
}

// both reads a request in both forms, which must say the same.
func both(t *testing.T, request *collector.ExportMetricsServiceRequest) (points []postbody.Point, bad []string) {
	t.Helper()
	message, err := proto.Marshal(request)
	require.NoError(t, err)
	points, bad, err = read(message)
	require.NoError(t, err)
	body, err := protojson.Marshal(request)
	require.NoError(t, err)
	message, err = otlp.FromJSON(string(body), 1<<20)
	require.NoError(t, err, string(body))
	ofJSON, badOfJSON, err := read(message)
	require.NoError(t, err)
	require.Equal(t, points, ofJSON, string(body))
	require.Equal(t, bad, badOfJSON)
	return points, bad
}

func attribute(key string, value *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: value}
}

func stringAttribute(key, value string) *common.KeyValue {
	return attribute(key, &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}})
}

// requestOf is a request with the metrics of one scope.
func requestOf(list ...*metrics.Metric) *collector.ExportMetricsServiceRequest {
	return &collector.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			stringAttribute("service.name", "shop"), stringAttribute("process.pid", "7"), stringAttribute("host.name", "h"),
			stringAttribute("os.type", "linux"), stringAttribute("telemetry.sdk.name", "opentelemetry"),
		}},
		ScopeMetrics: []*metrics.ScopeMetrics{{Scope: &common.InstrumentationScope{Name: "lib", Version: "1.2"}, Metrics: list}},
	}}}
}

func gauge(name string, points ...*metrics.NumberDataPoint) *metrics.Metric {
	return &metrics.Metric{Name: name, Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: points}}}
}

func double(value float64, attributes ...*common.KeyValue) *metrics.NumberDataPoint {
	return &metrics.NumberDataPoint{TimeUnixNano: at, Attributes: attributes, Value: &metrics.NumberDataPoint_AsDouble{AsDouble: value}}
}

// tags are those of requestOf, and more.
func tags(more ...string) map[string]string {
	all := map[string]string{"service.name": "shop", "otel.library.name": "lib", "otel.library.version": "1.2"}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func point(name string, value float64, more ...string) postbody.Point {
	return postbody.Point{Name: name, Timestamp: at / 1_000_000_000, Tags: tags(more...), Value: value}
}

func TestNumbersArePointsWithTheirAttributesAsTags(t *testing.T) {
	points, bad := both(t, requestOf(
		gauge("temperature", double(21.5, stringAttribute("room", "a b"))),
		&metrics.Metric{Name: "http.requests/total", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{IsMonotonic: true, DataPoints: []*metrics.NumberDataPoint{
			{TimeUnixNano: at, Value: &metrics.NumberDataPoint_AsInt{AsInt: -7}, Attributes: []*common.KeyValue{
				attribute("code", &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -1}}),
				attribute("ok", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}),
				attribute("share", &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 0.25}}),
				attribute("list", &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{}}}),
				stringAttribute("empty", ""),
			}},
		}}}},
	))
	require.Empty(t, bad)
	require.Equal(t, []postbody.Point{
		point("temperature", 21.5, "room", "a-b"),
		point("http.requests_total", -7, "code", "-1", "ok", "true", "share", "0.25"),
	}, points)
}

func TestHistogramsHaveCumulativeBuckets(t *testing.T) {
	points, bad := both(t, requestOf(&metrics.Metric{Name: "took", Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{
		DataPoints: []*metrics.HistogramDataPoint{{TimeUnixNano: at, Count: 6, Sum: proto.Float64(3.5), BucketCounts: []uint64{1, 2, 3}, ExplicitBounds: []float64{0.5, 1e6}}},
	}}}))
	require.Empty(t, bad)
	require.Equal(t, []postbody.Point{
		point("took_count", 6), point("took_sum", 3.5),
		point("took_bucket", 1, "le", "0.5"), point("took_bucket", 3, "le", "1e+06"), point("took_bucket", 6, "le", "+Inf"),
	}, points)
}

func TestSummariesHaveQuantilesAndExponentialHistogramsHaveTheirCountAndSum(t *testing.T) {
	points, bad := both(t, requestOf(
		&metrics.Metric{Name: "took", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{
			{TimeUnixNano: at, Count: 2, Sum: 5, QuantileValues: []*metrics.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.99, Value: 4}}},
		}}}},
		&metrics.Metric{Name: "size", Data: &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{
			DataPoints: []*metrics.ExponentialHistogramDataPoint{{TimeUnixNano: at, Count: 3, Sum: proto.Float64(8), Scale: -1, Positive: &metrics.ExponentialHistogramDataPoint_Buckets{Offset: 2, BucketCounts: []uint64{1, 2}}}},
		}}},
	))
	require.Empty(t, bad)
	require.Equal(t, []postbody.Point{
		point("took_count", 2), point("took_sum", 5), point("took", 4, "quantile", "0.99"),
		point("size_count", 3), point("size_sum", 8),
	}, points)
}

func TestDataPointsThatCannotBeSentAreNamedByTheirNumber(t *testing.T) {
	many := make([]*common.KeyValue, 65)
	for i := range many {
		many[i] = stringAttribute("key"+strconv.Itoa(i), "x")
	}
	points, bad := both(t, requestOf(
		gauge("a", double(1), double(2, many...), &metrics.NumberDataPoint{TimeUnixNano: at}, &metrics.NumberDataPoint{Flags: 1}),
		&metrics.Metric{Name: "h", Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: []*metrics.HistogramDataPoint{{Count: 1, BucketCounts: []uint64{1}, ExplicitBounds: []float64{1, 2}}}}}},
	))
	require.Equal(t, []postbody.Point{point("a", 1)}, points)
	require.Equal(t, []string{
		"1: a: it has more than 64 attributes, those of its resource and scope included",
		"2: a: it has no value",
		"4: h: it has 1 buckets and 2 bounds; there must be one bucket more",
	}, bad, "what has no recorded value is no fault")
}

func TestFieldsMayComeInAnyOrder(t *testing.T) {
	request := requestOf(gauge("a", double(1)))
	ordered, err := proto.Marshal(request)
	require.NoError(t, err)
	of := request.ResourceMetrics[0]
	first, err := proto.Marshal(&metrics.ResourceMetrics{ScopeMetrics: of.ScopeMetrics})
	require.NoError(t, err)
	second, err := proto.Marshal(&metrics.ResourceMetrics{Resource: of.Resource})
	require.NoError(t, err)
	size := len(first) + len(second)
	reordered := append(append(append([]byte{1<<3 | 2}, byte(size&0x7f|0x80), byte(size>>7)), first...), second...)
	want, _, err := read(ordered)
	require.NoError(t, err)
	got, _, err := read(reordered)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	for body, want := range map[string]string{
		"":                        "byte 0: the body ends, but an object should follow",
		"[]":                      "is not an object",
		`{"resourceMetrics":7}`:   "is not a list",
		`{"resourceMetrics":[7]}`: "is not an object",
		`{} x`:                    "is not the end of the body",
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":"1.5"}]}}]}]}]}`:                         "is not an integer of 64 bits",
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":"0x1"}]}}]}]}]}`:                      "is not a number",
		`{"resourceMetrics":[{"resource":{"attributes":[{"value":{"boolValue":1}}]}}]}`:                                             "is not a value",
		`{"resourceMetrics":[{"other":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}]}`:                               "nested more than 100 deep",
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":99999999999999999999}]}}]}]}],"x":null}`: "is not an integer of 64 bits",
	} {
		_, err := otlp.FromJSON(body, 1<<20)
		require.ErrorContains(t, err, want, body)
	}
	for _, message := range []string{"\x0a", "\x0a\x05ab", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x00", "\x0a\x02\x12\x7f"} {
		_, _, err := read([]byte(message))
		require.ErrorContains(t, err, "the protobuf message is damaged", "%q", message)
	}
}

func TestJSONWhoseBinaryFormIsTooLargeIsRefused(t *testing.T) {
	body := `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[1` + strings.Repeat(",1", 1000) + `]}]}}]}]}]}`
	_, err := otlp.FromJSON(body, 10_000)
	require.NoError(t, err)
	_, err = otlp.FromJSON(body, 8_000)
	require.ErrorIs(t, err, otlp.ErrTooLarge)
}

func TestJSONMayHaveNullAndWordsForNumbers(t *testing.T) {
	message, err := otlp.FromJSON(`{"resourceMetrics":[{"resource":null,"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":
		[{"asDouble":"Infinity"},{"asDouble":"NaN"},{"asDouble":"-Infinity"},{"asInt":"18446744073709551615"},{"asDouble":"1.5","flags":null}]}}]}]}]}`, 1<<20)
	require.NoError(t, err)
	points, _, err := read(message)
	require.NoError(t, err)
	var values []float64
	for _, p := range points {
		values = append(values, p.Value.(float64))
	}
	require.True(t, math.IsInf(values[0], 1) && math.IsNaN(values[1]) && math.IsInf(values[2], -1))
	require.Equal(t, []float64{-1, 1.5}, values[3:])
}

func TestWhatIsZeroIsSentAlthoughItIsNotOnTheWire(t *testing.T) {
	points, bad := both(t, requestOf(
		gauge("g", double(0)),
		&metrics.Metric{Name: "h", Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: []*metrics.HistogramDataPoint{
			{TimeUnixNano: at, Sum: proto.Float64(0), BucketCounts: []uint64{0, 0}, ExplicitBounds: []float64{1}}, {TimeUnixNano: at},
		}}}},
		&metrics.Metric{Name: "e", Data: &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{DataPoints: []*metrics.ExponentialHistogramDataPoint{{TimeUnixNano: at}}}}},
		&metrics.Metric{Name: "s", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{{TimeUnixNano: at}}}}},
	))
	require.Empty(t, bad)
	require.Equal(t, []postbody.Point{
		point("g", 0),
		point("h_count", 0), point("h_sum", 0), point("h_bucket", 0, "le", "1"), point("h_bucket", 0, "le", "+Inf"), point("h_count", 0),
		point("e_count", 0),
		point("s_count", 0), point("s_sum", 0),
	}, points)
}

func TestTagsAreCleanedOnceForAllPoints(t *testing.T) {
	points, _ := both(t, requestOf(gauge("a", double(1, stringAttribute(" a key ", "\ta\u00a0value\\")))))
	require.Equal(t, []postbody.Point{point("a", 1, "a-key", "a-value")}, points)
}

func TestMoreQuantilesThanAnybodyAsksForAreRejected(t *testing.T) {
	_, bad := both(t, requestOf(&metrics.Metric{Name: "s", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{
		{QuantileValues: slices.Repeat([]*metrics.SummaryDataPoint_ValueAtQuantile{{}}, 1001)},
	}}}}))
	require.Equal(t, []string{"0: s: it has more than 1000 quantiles"}, bad)
}

// A resource's attributes are copied for each data point, so too many must cost nothing.
func TestTooManyAttributesOfAResourceTakeNoTime(t *testing.T) {
	request := requestOf(gauge("a", slices.Repeat([]*metrics.NumberDataPoint{double(1)}, 20_000)...))
	for i := range 20_000 {
		request.ResourceMetrics[0].Resource.Attributes = append(request.ResourceMetrics[0].Resource.Attributes, stringAttribute("k"+strconv.Itoa(i), "v"))
	}
	message, err := proto.Marshal(request)
	require.NoError(t, err)
	began := time.Now()
	points, bad, err := read(message)
	require.NoError(t, err)
	require.Empty(t, points)
	require.Len(t, bad, 20_000)
	require.Less(t, time.Since(began), 5*time.Second)
}

// FuzzRead compares the reader with the generated messages: it reads what they read.
func FuzzRead(f *testing.F) {
	for _, request := range []*collector.ExportMetricsServiceRequest{
		requestOf(gauge("a", double(1, stringAttribute("k", "v"))), gauge("b")),
		requestOf(&metrics.Metric{Name: "h", Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: []*metrics.HistogramDataPoint{
			{Count: 3, Sum: proto.Float64(1), BucketCounts: []uint64{1, 2}, ExplicitBounds: []float64{1}}, {BucketCounts: []uint64{1}, ExplicitBounds: []float64{1}},
		}}}}),
		requestOf(&metrics.Metric{Name: "s", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{
			{Sum: 2, QuantileValues: []*metrics.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 3}}},
		}}}}),
	} {
		message, err := proto.Marshal(request)
		require.NoError(f, err)
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		var request collector.ExportMetricsServiceRequest
		if proto.Unmarshal(message, &request) != nil {
			_, _, _ = read(message) // it must return
			return
		}
		clean, err := proto.Marshal(&request) // without the fields that it does not know
		require.NoError(t, err)
		points, bad, err := read(clean)
		require.NoError(t, err)
		if len(bad) == 0 {
			require.Equal(t, valuesIn(&request), valuesOf(points))
		}
		body, err := protojson.Marshal(&request)
		if err != nil {
			return
		}
		binary, err := otlp.FromJSON(string(body), 1<<20)
		require.NoError(t, err, string(body))
		ofJSON, badOfJSON, err := read(binary)
		require.NoError(t, err)
		require.Equal(t, valuesOf(points), valuesOf(ofJSON), string(body))
		require.Equal(t, bad, badOfJSON)
	})
}

// valuesOf returns the ends of the points' names and their values.
func valuesOf(points []postbody.Point) (list []string) {
	for _, p := range points {
		suffix := ""
		for _, s := range []string{"_count", "_sum", "_bucket"} {
			if strings.HasSuffix(p.Name, s) {
				suffix = s
			}
		}
		list = append(list, fmt.Sprint(suffix, p.Value))
	}
	return list
}

// valuesIn returns the same for a request, of which no data point is bad.
func valuesIn(request *collector.ExportMetricsServiceRequest) (list []string) {
	var name string
	add := func(suffix string, value float64) {
		list = append(list, valuesOf([]postbody.Point{{Name: name + suffix, Value: value}})...)
	}
	numbers := func(points []*metrics.NumberDataPoint) {
		for _, p := range points {
			switch v := p.Value.(type) {
			case *metrics.NumberDataPoint_AsDouble:
				add("", v.AsDouble)
			case *metrics.NumberDataPoint_AsInt:
				add("", float64(v.AsInt))
			}
		}
	}
	for _, m := range metricsIn(request) {
		name = influxdb.CleanName(m.Name)
		numbers(withValue(m.GetGauge().GetDataPoints()))
		numbers(withValue(m.GetSum().GetDataPoints()))
		for _, p := range withValue(m.GetHistogram().GetDataPoints()) {
			add("_count", float64(p.Count))
			if p.Sum != nil {
				add("_sum", *p.Sum)
			}
			total := 0.0
			for _, n := range p.BucketCounts {
				total += float64(n)
				add("_bucket", total)
			}
		}
		for _, p := range withValue(m.GetExponentialHistogram().GetDataPoints()) {
			add("_count", float64(p.Count))
			if p.Sum != nil {
				add("_sum", *p.Sum)
			}
		}
		for _, p := range withValue(m.GetSummary().GetDataPoints()) {
			add("_count", float64(p.Count))
			add("_sum", p.Sum)
			for _, q := range p.QuantileValues {
				add("", q.Value)
			}
		}
	}
	return list
}

// withValue returns the points without the flag that they have none.
func withValue[P interface{ GetFlags() uint32 }](points []P) []P {
	return slices.DeleteFunc(slices.Clone(points), func(p P) bool { return p.GetFlags()&1 != 0 })
}

func metricsIn(request *collector.ExportMetricsServiceRequest) (list []*metrics.Metric) {
	for _, r := range request.ResourceMetrics {
		for _, s := range r.ScopeMetrics {
			list = append(list, s.Metrics...)
		}
	}
	return list
}

// FuzzFromJSON looks for text on which the reader hangs or panics, or that makes no message.
func FuzzFromJSON(f *testing.F) {
	f.Add(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":{"stringValue":"b"}}]},"scopeMetrics":[{"metrics":[{"name":"x","sum":{"dataPoints":[{"asInt":"1","timeUnixNano":"1"}]}}]}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		message, err := otlp.FromJSON(body, 1<<20)
		if err != nil {
			return
		}
		_, _, err = read(message)
		require.NoError(t, err)
	})
}
