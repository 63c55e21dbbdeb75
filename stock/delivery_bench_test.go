package stock_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/internal/nsqdtest"
	"github.com/lodastack/agent/stock"
)

// benchTopic is that of benchBatch.
const benchTopic = "collect.ns"

// benchBatch returns n points of the namespace ns.
func benchBatch(n int) agent.Batch {
	b := agent.Batch{Namespace: "ns"}
	for i := range n {
		b.Metrics = append(b.Metrics, agent.Metric{
			Name:      fmt.Sprintf("m%d", i),
			Timestamp: 1500000000,
			Tags:      map[string]string{"host": "web-1.example.com", "interface": "eth0", "rack": "r17"},
			Value:     float64(i) + 0.5,
		})
	}
	return b
}

// benchLines is benchBatch(n) encoded, a line a point.
func benchLines(n int) [][]byte {
	var lines [][]byte
	for i := range n {
		lines = append(lines, fmt.Appendf(nil, "m%d,host=web-1.example.com,interface=eth0,rack=r17 value=%g 1500000000\n", i, float64(i)+0.5))
	}
	return lines
}

func nsqOutput(tb testing.TB, address string) agent.Output {
	tb.Helper()
	out, err := stock.NSQOutput(stock.NSQConfig{Servers: []string{address}, TopicPrefix: "collect."})
	require.NoError(tb, err)
	return out
}

// benchAgent is an agent that delivers to an nsqd and does nothing else.
type benchAgent struct {
	*agent.Agent
	cancel context.CancelFunc
	ended  chan error
}

// runAgent runs an agent with a spool in dir, or without if dir is empty.
func runAgent(tb testing.TB, dir, address string) *benchAgent {
	tb.Helper()
	options := []agent.Option{agent.WithRegistry(agenttest.NewRegistry()), agent.WithOutput(nsqOutput(tb, address))}
	if dir != "" {
		store, err := stock.Spool(stock.SpoolConfig{Dir: dir})
		require.NoError(tb, err)
		options = append(options, agent.WithStore(store))
	}
	a, err := agent.New(options...)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	b := &benchAgent{a, cancel, make(chan error, 1)}
	go func() { b.ended <- a.Run(ctx) }()
	return b
}

func (a *benchAgent) write(b agent.Batch) error {
	return a.Post(context.Background(), b.Namespace, b.Metrics)
}

func (a *benchAgent) stop(tb testing.TB) {
	tb.Helper()
	a.cancel()
	require.NoError(tb, <-a.ended)
}

// share has workers call f n times in all, and returns how long that took.
func share(tb testing.TB, workers, n int, f func() error) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	began := time.Now()
	for range workers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(began)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkHealthyDelivery has 8 writers publish batches of 100 points to an
// nsqd that is well, with and without a spool, in turn. An operation is a
// batch; ratio is the throughput with the spool by that without, the median of
// rounds.
func BenchmarkHealthyDelivery(b *testing.B) {
	const workers, points, rounds = 8, 100, 31
	server := nsqdtest.Start(b, nsqdtest.Options{})
	server.Discard(benchTopic)
	plain := runAgent(b, "", server.Direct())
	defer plain.stop(b)
	dir := b.TempDir()
	kept := runAgent(b, dir, server.Direct())
	defer kept.stop(b)
	batch := benchBatch(points)
	write := func(a *benchAgent) func() error { return func() error { return a.write(batch) } }
	share(b, workers, 100, write(plain))
	share(b, workers, 100, write(kept))

	ratios, took := make([]float64, rounds), time.Duration(0)
	b.ResetTimer()
	for i := range ratios {
		n := b.N/rounds + 1
		with := share(b, workers, n, write(kept))
		b.StopTimer()
		ratios[i] = share(b, workers, n, write(plain)).Seconds() / with.Seconds()
		b.StartTimer()
		took += with
	}
	b.StopTimer()
	files, err := os.ReadDir(dir)
	require.NoError(b, err)
	require.Len(b, files, 1, "nothing but the lock is written")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(float64((b.N/rounds+1)*rounds*points)/took.Seconds(), "points/s")
}

// BenchmarkReplay lets a backlog build up while nsqd is away, of
// BACKLOG_POINTS, 300,000 unless that is set, and drains it while single points
// are written beside it. ratio is the rate by that of go-nsq's MultiPublish of
// 1000 such points right afterwards, already encoded, a message each;
// ratio-packed is by that of one message with all of them, which is little more
// than copying. resume-s is how long after nsqd's return the first old point
// was delivered, live-p99-ms how long the new ones took.
func BenchmarkReplay(b *testing.B) {
	backlog := int64(300_000)
	if text := os.Getenv("BACKLOG_POINTS"); text != "" {
		var err error
		backlog, err = strconv.ParseInt(text, 10, 64)
		require.NoError(b, err)
	}
	server := nsqdtest.Start(b, nsqdtest.Options{})
	lines := benchLines(1000)
	packed := [][]byte{bytes.Join(lines, nil)}
	var rates, ratios, packedRatios, resumes, latencies []float64
	for b.Loop() {
		r := replay(b, server, backlog)
		rates = append(rates, r.rate)
		ratios = append(ratios, r.rate/rawRate(b, server.Addr(), lines))
		packedRatios = append(packedRatios, r.rate/rawRate(b, server.Addr(), packed))
		resumes = append(resumes, r.resume.Seconds())
		latencies = append(latencies, r.latencies...)
	}
	slices.Sort(latencies)
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(packedRatios), "ratio-packed")
	b.ReportMetric(median(rates), "points/s")
	b.ReportMetric(slices.Max(resumes), "resume-s")
	b.ReportMetric(latencies[len(latencies)*99/100], "live-p99-ms")
}

// rawRate returns the points a second that MultiPublish moves in messages that
// hold 1000 of them together.
func rawRate(b *testing.B, address string, messages [][]byte) float64 {
	b.Helper()
	const points, rounds = 1000, 2000
	producer, err := nsq.NewProducer(address, nsq.NewConfig())
	require.NoError(b, err)
	producer.SetLoggerLevel(nsq.LogLevelMax)
	defer producer.Stop()
	publish := func() error { return producer.MultiPublish(benchTopic, messages) }
	require.NoError(b, publish())
	return points * rounds / share(b, 1, rounds, publish).Seconds()
}

// replayed is what was measured of one backlog.
type replayed struct {
	rate      float64 // points a second
	resume    time.Duration
	latencies []float64 // of new points, in ms
}

func replay(b *testing.B, server *nsqdtest.Server, backlog int64) (r replayed) {
	b.Helper()
	server.Stop()
	a := runAgent(b, b.TempDir(), server.Addr())
	defer a.stop(b)
	<-a.Ready() // the store is in use only then
	account := func() agent.Account { return a.Status().Accounts["ns"] }
	batch, point := benchBatch(20), benchBatch(1)
	share(b, 64, int(backlog)/20, func() error { return a.write(batch) })

	require.NoError(b, server.Restart())
	server.Discard(benchTopic)
	began := time.Now()
	for account().Delivered == 0 {
		time.Sleep(time.Millisecond)
	}
	r.resume = time.Since(began)
	began, before := time.Now(), account().Waiting
	for account().Waiting > 0 {
		written := time.Now()
		require.NoError(b, a.write(point))
		r.latencies = append(r.latencies, time.Since(written).Seconds()*1000)
		time.Sleep(time.Millisecond)
	}
	r.rate = float64(before) / time.Since(began).Seconds()
	return r
}
