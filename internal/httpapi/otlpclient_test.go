package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lodastack/agent"
)

// exporter returns an SDK of OpenTelemetry that exports to the agent.
func (a *apiTest) exporter(t *testing.T, options ...otlpmetrichttp.Option) *sdkmetric.MeterProvider {
	t.Helper()
	options = append([]otlpmetrichttp.Option{
		otlpmetrichttp.WithEndpointURL(a.server.URL + "/v1/metrics"), otlpmetrichttp.WithInsecure(),
		otlpmetrichttp.WithHeaders(map[string]string{"Agent-Namespace": "ns.one"}),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}),
	}, options...)
	exporter, err := otlpmetrichttp.New(t.Context(), options...)
	require.NoError(t, err)
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))),
		sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"), attribute.Int("process.pid", 7))))
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	return provider
}

func TestExporterOfOpenTelemetryWrites(t *testing.T) {
	for name, options := range map[string][]otlpmetrichttp.Option{
		"plain": nil,
		"gzip":  {otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression)},
	} {
		t.Run(name, func(t *testing.T) {
			test := newAPITest(t)
			provider := test.exporter(t, options...)
			meter := provider.Meter("lib")
			counter, err := meter.Int64Counter("orders")
			require.NoError(t, err)
			counter.Add(t.Context(), 7, metric.WithAttributes(attribute.String("state", "paid")))
			took, err := meter.Float64Histogram("took", metric.WithExplicitBucketBoundaries(1, 5))
			require.NoError(t, err)
			took.Record(t.Context(), 2.5)
			require.NoError(t, provider.ForceFlush(t.Context()))

			values := make(map[string]any)
			for _, m := range test.output.posted("ns.one") {
				require.Equal(t, "shop", m.Tags["service.name"])
				require.Equal(t, "lib", m.Tags["otel.library.name"])
				require.Equal(t, "web1.example.org", m.Tags["host"])
				require.NotContains(t, m.Tags, "process.pid")
				require.WithinDuration(t, time.Now(), time.Unix(m.Timestamp, 0), time.Minute)
				values[strings.TrimSpace(m.Name+" "+m.Tags["le"]+m.Tags["state"])] = m.Value
			}
			require.Equal(t, map[string]any{
				"RUN.orders paid": 7.0, "RUN.took_count": 1.0, "RUN.took_sum": 2.5,
				"RUN.took_bucket 1": 0.0, "RUN.took_bucket 5": 1.0, "RUN.took_bucket +Inf": 1.0,
			}, values)
		})
	}
}

func TestTheEnvironmentIsEnoughForAnExporterOfOpenTelemetry(t *testing.T) {
	test := newAPITest(t)
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", test.server.URL+"/v1/metrics")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "agent-namespace=ns.one")
	exporter, err := otlpmetrichttp.New(t.Context())
	require.NoError(t, err)
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))))
	counter, err := provider.Meter("lib").Int64Counter("orders")
	require.NoError(t, err)
	counter.Add(t.Context(), 7)
	require.NoError(t, provider.Shutdown(t.Context()))
	require.Equal(t, "RUN.orders", test.output.posted("ns.one")[0].Name)
}

func TestExporterOfOpenTelemetryIsToldWhatIsWrong(t *testing.T) {
	test := newAPITest(t)
	provider := test.exporter(t)
	counter, err := provider.Meter("lib").Int64Counter("orders")
	require.NoError(t, err)
	counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("time", "noon")))
	counter.Add(t.Context(), 1)
	require.ErrorContains(t, provider.ForceFlush(t.Context()), "(1 metric data points rejected)")
	require.Len(t, test.output.posted("ns.one"), 1, "the good data point is taken")

	elsewhere := test.exporter(t, otlpmetrichttp.WithHeaders(map[string]string{"Agent-Namespace": "elsewhere"}))
	counter, err = elsewhere.Meter("lib").Int64Counter("orders")
	require.NoError(t, err)
	counter.Add(t.Context(), 1)
	require.ErrorContains(t, elsewhere.ForceFlush(t.Context()), "is not one of this host")

	test.output.set(func(o *apiOutput) { o.err = errors.New("no server answers") })
	require.ErrorContains(t, provider.ForceFlush(t.Context()), "The metrics are not safe yet")
}

func TestOTLPAnswersInTheEncodingOfItsRequest(t *testing.T) {
	test := newAPITest(t)
	const path = "/v1/metrics?ns=ns.one"
	inJSON := func(body string) answer {
		return test.do(t, "POST", path, body, withHeader("Content-Type", "application/json; charset=utf-8"))
	}
	point := `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[{"asInt":"1"},{"asDouble":"NaN"}]}}]}]}]}`
	got := inJSON(point)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.JSONEq(t, `{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"data point 1 (\"a\"): the value NaN cannot be stored"}}`, got.body)
	require.Equal(t, agent.Account{Accepted: 1, Delivered: 1}, test.agent.Status().Accounts["ns.one"])

	got = inJSON(`{}`)
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{}`, got.body)
	got = inJSON(`[]`)
	require.Equal(t, 400, got.status)
	require.JSONEq(t, `{"code":3,"message":"The body is no OTLP metrics request in JSON: byte 0: \"[]\" is not an object. No data point was accepted."}`, got.body)

	binary := withHeader("Content-Type", "application/x-protobuf")
	got = test.do(t, "POST", path, "", binary)
	require.Equal(t, 200, got.status)
	require.Empty(t, got.body)
	require.Equal(t, "application/x-protobuf", got.header.Get("Content-Type"))
	got = test.do(t, "POST", path, "\x0a", binary)
	require.Equal(t, 400, got.status)
	require.Equal(t, "application/x-protobuf", got.header.Get("Content-Type"))
	var said status.Status
	require.NoError(t, proto.Unmarshal([]byte(got.body), &said))
	require.EqualValues(t, 3, said.Code)
	require.Contains(t, said.Message, "the protobuf message is damaged")

	got = test.do(t, "POST", path, "x", withHeader("Content-Type", "text/plain"))
	require.Equal(t, http.StatusUnsupportedMediaType, got.status)
	require.Contains(t, got.body, "send application/x-protobuf or application/json")
	got = test.do(t, "POST", "/v1/metrics?ns=elsewhere", "", binary)
	require.Equal(t, http.StatusForbidden, got.status)
}

func TestOTLPCountsDataPointsAndNotTheirPoints(t *testing.T) {
	test := newAPITest(t)
	histogram := func(name string) string {
		return `{"name":"` + name + `","histogram":{"dataPoints":[{"count":"3","sum":2,"bucketCounts":["1","2"],"explicitBounds":[1]}]}}`
	}
	number := func(name, value string) string {
		return `{"name":"` + name + `","gauge":{"dataPoints":[{"asDouble":` + value + `}]}}`
	}
	post := func(metrics ...string) answer {
		return test.do(t, "POST", "/v1/metrics?ns=ns.one", `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[`+strings.Join(metrics, ",")+`]}]}]}`, withHeader("Content-Type", "application/json"))
	}
	partial := func(rejected int, message string) string {
		return fmt.Sprintf(`{"partialSuccess":{"rejectedDataPoints":"%d","errorMessage":%q}}`, rejected, message)
	}
	got := post(histogram("a"), histogram("b"), number("c", `"NaN"`))
	require.JSONEq(t, partial(1, `data point 2 ("c"): the value NaN cannot be stored`), got.body)

	// The output refuses the first point that it gets, which is the second of the body.
	test.output.set(func(o *apiOutput) {
		o.err = &agent.PermanentError{Reason: "bad_point", Indexes: []int{0}, Err: errors.New("no \xff")}
	})
	got = post(number("c", `"NaN"`), histogram("a"), number("d", "1"))
	require.Equal(t, 200, got.status, got.body)
	require.JSONEq(t, partial(2, `data point 0 ("c"): the value NaN cannot be stored`), got.body)
	got = post(histogram("a"), number("d", "1"))
	require.Contains(t, got.body, `"rejectedDataPoints":"1"`)
	require.True(t, utf8.ValidString(got.body))

	// It does not say which: no more than there are data points.
	test.output.set(func(o *apiOutput) {
		o.err = &agent.PermanentError{Reason: "bad_point", Points: 4, Err: errors.New("no")}
	})
	require.Contains(t, post(histogram("a"), number("d", "1")).body, `"rejectedDataPoints":"2"`)
}

// A string of protobuf that is not UTF-8 makes an exporter fail to read the answer.
func TestOTLPAnswersAreValidProtobufWhateverTheOutputSays(t *testing.T) {
	test := newAPITest(t)
	request := encoded(t, otlpRequest(2))
	post := func(refused int) answer {
		test.output.set(func(o *apiOutput) {
			o.err = &agent.PermanentError{Reason: "bad_point", Points: refused, Err: errors.New("no \xff")}
		})
		return test.do(t, "POST", "/v1/metrics?ns=ns.one", string(request), withHeader("Content-Type", "application/x-protobuf"))
	}
	got := post(1)
	require.Equal(t, 200, got.status)
	var said collector.ExportMetricsServiceResponse
	require.NoError(t, proto.Unmarshal([]byte(got.body), &said))
	require.Equal(t, "no \uFFFD", said.PartialSuccess.ErrorMessage)

	got = post(2)
	require.Equal(t, 400, got.status)
	var refused status.Status
	require.NoError(t, proto.Unmarshal([]byte(got.body), &refused))
	require.Contains(t, refused.Message, "no \uFFFD")
}

// Text that a body has once can belong to thousands of points, each of which is written out with
// it: a small body would take hundreds of megabytes.
func TestSmallBodiesTakeLittleMemory(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	text := func(value string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}
	}
	histogram := func(name, value string, buckets int) []byte {
		point := &metrics.HistogramDataPoint{Count: 1, BucketCounts: make([]uint64, buckets), ExplicitBounds: make([]float64, buckets-1)}
		request := otlpRequest(0)
		request.ResourceMetrics[0].Resource.Attributes = []*common.KeyValue{{Key: "k", Value: text(value)}}
		request.ResourceMetrics[0].ScopeMetrics[0].Metrics = []*metrics.Metric{
			{Name: name, Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: []*metrics.HistogramDataPoint{point}}}},
		}
		return encoded(t, request)
	}
	shared := otlpRequest(4000)
	shared.ResourceMetrics[0].Resource.Attributes = []*common.KeyValue{{Key: "k", Value: text(long)}}
	many := otlpRequest(2500)
	for i := range 60 {
		many.ResourceMetrics[0].Resource.Attributes = append(many.ResourceMetrics[0].Resource.Attributes, &common.KeyValue{Key: fmt.Sprint("key", i), Value: text("x")})
	}
	summary := otlpRequest(0)
	summary.ResourceMetrics[0].ScopeMetrics[0].Metrics = []*metrics.Metric{{Name: "s", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{
		{QuantileValues: slices.Repeat([]*metrics.SummaryDataPoint_ValueAtQuantile{{}}, 100_000)},
	}}}}}
	const binary, lines = "application/x-protobuf", "text/plain"
	for name, test := range map[string]struct {
		path, contentType string
		body              []byte
		status            int
	}{
		"a long name of many buckets":        {"/v1/metrics?ns=ns.one", binary, histogram(long, "v", 5000), 413},
		"a name that is too long":            {"/v1/metrics?ns=ns.one", binary, histogram(strings.Repeat(long, 3), "v", 5000), 413},
		"a long tag of many buckets":         {"/v1/metrics?ns=ns.one", binary, histogram("n", strings.Repeat("x y", 15_000), 5000), 413},
		"a long tag of many data points":     {"/v1/metrics?ns=ns.one", binary, encoded(t, shared), 413},
		"many tags of many data points":      {"/v1/metrics?ns=ns.one", binary, encoded(t, many), 413},
		"many quantiles":                     {"/v1/metrics?ns=ns.one", binary, encoded(t, summary), 200},
		"many small numbers":                 {"/v1/metrics?ns=ns.one", "application/json", []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[1` + strings.Repeat(",1", 100_000) + `]}]}}]}]}]}`), 413},
		"a long tag of many fields":          {"/post?ns=ns.one", lines, []byte("m,k=" + long + " " + strings.TrimSuffix(strings.Repeat("f=1,", 20_000), ",")), 413},
		"a long tag of many fields, written": {"/write?db=ns.one", lines, []byte("m,k=" + long + " " + strings.TrimSuffix(strings.Repeat("f=1,", 20_000), ",")), 413},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPITest(t, agent.WithMaxBody(512<<10))
			require.Less(t, len(test.body), 512<<10)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := api.do(t, "POST", test.path, string(test.body), withHeader("Content-Type", test.contentType))
			runtime.ReadMemStats(&after)
			require.Equal(t, test.status, got.status, got.body)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
		})
	}
}

func encoded(t *testing.T, request *collector.ExportMetricsServiceRequest) []byte {
	t.Helper()
	body, err := proto.Marshal(request)
	require.NoError(t, err)
	return body
}
