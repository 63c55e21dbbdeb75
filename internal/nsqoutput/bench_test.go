package nsqoutput_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/internal/nsqoutput"
)

// BenchmarkWrite publishes batches of 100 points from several goroutines, and
// the same bytes with go-nsq's MultiPublish. An operation is a batch; ratio is
// the Output's throughput by MultiPublish's, the median of rounds in turn.
func BenchmarkWrite(b *testing.B) {
	const workers, points, rounds = 8, 100, 31
	server := nsqdtest.Start(b, nsqdtest.Options{})
	server.Discard("collect.ns")

	out := newOutput(b, nsqoutput.Config{Servers: []string{server.Direct()}})
	batch := batch(points)
	write := func() error { return out.Write(b.Context(), batch) }
	body := [][]byte{[]byte(strings.Join(lines(points), "\n") + "\n")}
	require.NoError(b, write())

	producer, err := nsq.NewProducer(server.Direct(), nsq.NewConfig())
	require.NoError(b, err)
	producer.SetLoggerLevel(nsq.LogLevelMax)
	defer producer.Stop()
	multiPublish := func() error { return producer.MultiPublish("collect.ns", body) }
	require.NoError(b, multiPublish())

	b.ReportAllocs()
	var ours time.Duration
	ratios := make([]float64, rounds)
	b.ResetTimer()
	for i := range ratios {
		n := b.N/rounds + 1
		took := concurrently(b, workers, n, write)
		b.StopTimer()
		ratios[i] = concurrently(b, workers, n, multiPublish).Seconds() / took.Seconds()
		b.StartTimer()
		ours += took
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[rounds/2], "ratio")
	b.ReportMetric(float64(b.N*points)/ours.Seconds(), "points/s")
}

// concurrently calls f n times from some goroutines, and returns how long
// that took.
func concurrently(b *testing.B, workers, n int, f func() error) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	start := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
