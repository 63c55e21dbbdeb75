package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	common "go.opentelemetry.io/proto/otlp/common/v1"
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
	require.JSONEq(t, `{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"metric 1 (\"a\"): the value NaN cannot be stored"}}`, got.body)
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

// A data point of few bytes gets all tags of its resource, so that a small body could take much
// memory.
func TestTagsOfOTLPCountAsMemoryOfThePosts(t *testing.T) {
	test := newAPITest(t, agent.WithMaxBody(64<<10))
	body := manyTags(t)
	require.Less(t, len(body), 64<<10)
	got := test.do(t, "POST", "/v1/metrics?ns=ns.one", string(body), withHeader("Content-Type", "application/x-protobuf"))
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status, got.body)
	require.Empty(t, test.output.posted("ns.one"))
}

// manyTags returns a request of thousands of data points with 60 tags each.
func manyTags(t *testing.T) []byte {
	t.Helper()
	request := otlpRequest(2500)
	for i := range 60 {
		key := "key" + string(rune('A'+i%26)) + string(rune('a'+i/26))
		request.ResourceMetrics[0].Resource.Attributes = append(request.ResourceMetrics[0].Resource.Attributes,
			&common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "x"}}})
	}
	body, err := proto.Marshal(request)
	require.NoError(t, err)
	return body
}
