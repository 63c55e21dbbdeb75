package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// BenchmarkRemembering is the CPU time of posts to an agent that remembers, by that
// of posts to one that does not. They take turns of a few milliseconds, so that
// whatever else the machine does meets both. It has no HTTP connection and no queue:
// of all that a post costs, remembering is a smaller part.
func BenchmarkRemembering(b *testing.B) {
	const metrics, bodies, turn = 100, 100, 20
	handlers := make([]func(body string) string, 2)
	for i, options := range [][]agent.Option{{agent.WithoutPage()}, nil} {
		a, err := agent.New(append(options, agent.WithRegistry(&apiRegistry{}), agent.WithOutput(discard{}), agent.WithAPINamespaces("load"))...)
		require.NoError(b, err)
		handler := a.Handler()
		handlers[i] = func(body string) string {
			path := "/me/points?limit=1"
			if body != "" {
				path = "/post?ns=load"
			}
			request := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(body))
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			require.Equal(b, 200, recorder.Code)
			return recorder.Body.String()
		}
	}
	posts := make([]string, bodies)
	for i := range posts {
		elements := make([]string, metrics)
		for k := range elements {
			elements[k] = fmt.Sprintf(`{"name":"http.requests.count","timestamp":1700000000,"tags":{"path":"/api/v1/item%d","code":"200"},"value":%d.25}`, i*metrics+k, k)
		}
		posts[i] = "[" + strings.Join(elements, ",") + "]"
	}
	var spent [2]time.Duration
	turns := 0
	for b.Loop() {
		for i, handle := range handlers {
			began := cpuTime(b)
			for k := range turn {
				handle(posts[(turns*turn+k)%bodies])
			}
			spent[i] += cpuTime(b) - began
		}
		turns++
	}
	var said struct {
		LeftOut float64 `json:"left_out"`
	}
	require.NoError(b, json.Unmarshal([]byte(handlers[1]("")), &said))
	points := float64(turns * turn * metrics)
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "remembering/not")
	b.ReportMetric(float64(spent[1]-spent[0])/points, "ns/point")
	b.ReportMetric(100*(1-said.LeftOut/points), "%-looked-at")
	b.ReportMetric(points/b.Elapsed().Seconds(), "points/s")
}
