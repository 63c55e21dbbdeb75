package stock_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func TestEveryMeasurementOfTheHostHasAHelpTextAndPassesPromlint(t *testing.T) {
	discard := agent.OutputFunc(func(context.Context, agent.Batch) error { return nil })
	options := append(stock.HostCollectors(stock.HostConfig{Disable: []string{"TIME"}, StateDir: t.TempDir()}),
		agent.WithRegistry(agent.StaticRegistry("web")), agent.WithOutput(discard))
	a, err := agent.New(options...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	var body string
	require.Eventually(t, func() bool {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest("GET", "http://localhost/metrics/host", nil)
		a.Handler().ServeHTTP(recorder, request)
		body = recorder.Body.String()
		return strings.Contains(body, "# TYPE mem_free gauge") && strings.Contains(body, "# TYPE cpu_idle gauge") && strings.Contains(body, "# TYPE fs_space_total gauge")
	}, 10*time.Second, 20*time.Millisecond)
	require.Contains(t, body, "# HELP cpu_idle In %: share of the time of all processors without work.\n")
	require.NotContains(t, body, "The measurement ", "each has its meaning")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	for _, p := range problems {
		// The names are those of the measurements.
		require.Contains(t, []string{"mem_total", "fs_space_total"}, p.Metric, p.Text)
	}
}
