package httpapi_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// discard is an output that takes everything.
type discard struct{}

func (discard) Write(context.Context, agent.Batch) error { return nil }
func (discard) Close(context.Context) error              { return nil }

// BenchmarkPost is what a post costs between the connection and the output.
func BenchmarkPost(b *testing.B) {
	const metrics = 100
	elements := make([]string, metrics)
	for i := range elements {
		elements[i] = fmt.Sprintf(`{"name":"http.requests.count","timestamp":1700000000,"tags":{"path":"/api/v1/item%d","code":"200"},"value":%d.25}`, i, i)
	}
	body := "[" + strings.Join(elements, ",") + "]"
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(discard{}), agent.WithHostname("web1.example.org"), agent.WithAPINamespaces("load"))
	require.NoError(b, err)
	handler := a.Handler()
	b.ReportAllocs()
	for b.Loop() {
		request := httptest.NewRequest("POST", "/post?ns=load", strings.NewReader(body))
		request.Host = "localhost"
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		require.Equal(b, 200, recorder.Code)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*metrics), "ns/metric")
}

// BenchmarkWrite compares a write with posts of the same points, each by its fastest request.
// The ratios are the time of the write divided by theirs.
func BenchmarkWrite(b *testing.B) {
	const metrics = 100
	lines, elements := make([]string, metrics), make([]string, metrics)
	for i := range lines {
		lines[i] = fmt.Sprintf("http.requests.count,path=/api/v1/item%d,code=200 value=%d.25 1700000000\n", i, i)
		elements[i] = fmt.Sprintf(`{"name":"http.requests.count","timestamp":1700000000,"tags":{"path":"/api/v1/item%d","code":"200"},"value":%d.25}`, i, i)
	}
	body, list := strings.Join(lines, ""), "["+strings.Join(elements, ",")+"]"
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(discard{}), agent.WithHostname("web1.example.org"), agent.WithAPINamespaces("load"))
	require.NoError(b, err)
	handler := a.Handler()
	write, postLines, postJSON := time.Hour, time.Hour, time.Hour
	for b.Loop() {
		for _, request := range []struct {
			path, contentType, body string
			status                  int
			took                    *time.Duration
		}{
			{"/write?db=load&precision=s", "", body, 204, &write},
			{"/post?ns=load", "text/plain", body, 200, &postLines},
			{"/post?ns=load", "", list, 200, &postJSON},
		} {
			r := httptest.NewRequest("POST", request.path, strings.NewReader(request.body))
			r.Host = "localhost"
			r.Header.Set("Content-Type", request.contentType)
			recorder := httptest.NewRecorder()
			began := time.Now()
			handler.ServeHTTP(recorder, r)
			*request.took = min(*request.took, time.Since(began))
			require.Equal(b, request.status, recorder.Code)
		}
	}
	b.ReportMetric(float64(write.Nanoseconds())/metrics, "ns/metric")
	b.ReportMetric(write.Seconds()/postLines.Seconds(), "of-lines")
	b.ReportMetric(write.Seconds()/postJSON.Seconds(), "of-json")
}
