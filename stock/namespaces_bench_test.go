//go:build linux

package stock_test

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// processTime is the CPU time that this process has used.
func processTime(tb testing.TB) time.Duration {
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// spent returns the CPU time for each point that a host of n namespaces collects, from the
// collector to the encoded line.
func spent(b *testing.B, n int, more ...agent.Option) time.Duration {
	namespaces := make([]string, n)
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("ns%d", i)
	}
	const points, runs = 200, 40
	collected := make(chan struct{}, runs)
	batch := benchBatch(points).Metrics
	a, err := agent.New(append(more,
		agent.WithRegistry(agent.StaticRegistry(namespaces...)),
		agent.WithOutput(agent.NewWriterOutput(io.Discard)),
		agent.WithBufferSize(1_000_000),
		agent.WithCollector("M", 25*time.Millisecond, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			select {
			case collected <- struct{}{}:
				return batch, nil
			default:
				return nil, nil
			}
		})))...)
	require.NoError(b, err)
	began := processTime(b)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	for len(collected) < runs {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	require.NoError(b, <-ended)
	return (processTime(b) - began) / (points * runs)
}

// BenchmarkFurtherNamespace measures what each further namespace of a host costs a point, with
// and without what the page remembers.
func BenchmarkFurtherNamespace(b *testing.B) {
	for name, options := range map[string][]agent.Option{"page": nil, "no page": {agent.WithoutPage()}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				one, hundred := spent(b, 1, options...), spent(b, 100, options...)
				b.ReportMetric(float64(one), "ns/first")
				b.ReportMetric(float64(hundred-one)/99, "ns/further")
			}
		})
	}
}
