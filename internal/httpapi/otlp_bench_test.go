package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

	"github.com/lodastack/agent"
)

// otlpRequest is a request with that many data points of a gauge.
func otlpRequest(n int) *collector.ExportMetricsServiceRequest {
	text := func(key, value string) *common.KeyValue {
		return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
	}
	points := make([]*metrics.NumberDataPoint, n)
	for i := range points {
		points[i] = &metrics.NumberDataPoint{
			Value: &metrics.NumberDataPoint_AsDouble{AsDouble: float64(i)}, TimeUnixNano: 1700000000000000000,
		}
		if n <= 1000 {
			points[i].Attributes = []*common.KeyValue{text("path", fmt.Sprintf("/api/v1/item%d", i)), text("code", "200")}
		}
	}
	return &collector.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource:     &resource.Resource{},
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{Name: "http.requests.count", Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: points}}}}}},
	}}}
}

// BenchmarkOTLP compares OTLP with posts of the same points as line protocol, each by its fastest
// request. The ratios are its time divided by theirs.
func BenchmarkOTLP(b *testing.B) {
	const n = 100
	request := otlpRequest(n)
	binary, err := proto.Marshal(request)
	require.NoError(b, err)
	inJSON, err := protojson.Marshal(request)
	require.NoError(b, err)
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("http.requests.count,path=/api/v1/item%d,code=200 value=%d 1700000000\n", i, i)
	}
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(discard{}), agent.WithHostname("web1.example.org"), agent.WithAPINamespaces("load"))
	require.NoError(b, err)
	handler := a.Handler()
	serve := func(path, contentType, body string) time.Duration {
		request := httptest.NewRequest("POST", path, strings.NewReader(body))
		request.Host = "localhost"
		request.Header.Set("Content-Type", contentType)
		recorder := httptest.NewRecorder()
		began := time.Now()
		handler.ServeHTTP(recorder, request)
		took := time.Since(began)
		require.Equal(b, http.StatusOK, recorder.Code)
		return took
	}
	const long = time.Hour
	fastest := [3]time.Duration{long, long, long}
	for b.Loop() {
		fastest[0] = min(fastest[0], serve("/post?ns=load", "text/plain", strings.Join(lines, "")))
		fastest[1] = min(fastest[1], serve("/v1/metrics?ns=load", "application/x-protobuf", string(binary)))
		fastest[2] = min(fastest[2], serve("/v1/metrics?ns=load", "application/json", string(inJSON)))
	}
	b.ReportMetric(float64(fastest[1].Nanoseconds())/n, "ns/data-point")
	b.ReportMetric(float64(fastest[1])/float64(fastest[0]), "binary/lines")
	b.ReportMetric(float64(fastest[2])/float64(fastest[0]), "json/lines")
}
