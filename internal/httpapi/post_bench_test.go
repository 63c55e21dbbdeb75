package httpapi_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

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
