package spool_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/spool"
)

// tcpOutput does the least that an output to a queue must do: encode, send over TCP, and wait
// for the acknowledgement. It has a few connections.
type tcpOutput struct {
	conns chan net.Conn
}

func newTCPOutput(tb testing.TB, conns int) *tcpOutput {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() { acknowledge(conn) })
		}
	})
	o := &tcpOutput{conns: make(chan net.Conn, conns)}
	for range conns {
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(tb, err)
		o.conns <- conn
	}
	tb.Cleanup(func() {
		_ = listener.Close()
		for range conns {
			_ = (<-o.conns).Close()
		}
		handlers.Wait()
	})
	return o
}

func acknowledge(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var head [4]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[:]))); err != nil {
			return
		}
		if _, err := conn.Write(head[:2]); err != nil {
			return
		}
	}
}

func (o *tcpOutput) Write(_ context.Context, b agent.Batch) error {
	var e lineproto.Encoder
	message := make([]byte, 4, 4+100*len(b.Metrics))
	for _, m := range b.Metrics {
		var err error
		if message, err = e.AppendPoint(message, m.Name, m.Tags, m.Value, m.Timestamp); err != nil {
			return err
		}
	}
	binary.BigEndian.PutUint32(message, uint32(len(message)-4))
	conn := <-o.conns
	defer func() { o.conns <- conn }()
	if _, err := conn.Write(message); err != nil {
		return err
	}
	var ok [2]byte
	_, err := io.ReadFull(conn, ok[:])
	return err
}

func (o *tcpOutput) Close(context.Context) error { return nil }

// parallel has workers share n writes to o and returns how long they took.
func parallel(tb testing.TB, o agent.Output, workers, n int, b agent.Batch) time.Duration {
	var next atomic.Int64
	var group sync.WaitGroup
	started := time.Now()
	for range workers {
		group.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := o.Write(context.Background(), b); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(started)
}

// BenchmarkHealthyWrite compares writes through the spool with writes past it.
func BenchmarkHealthyWrite(b *testing.B) {
	inner := newTCPOutput(b, 8)
	s := open(b, spool.Config{Dir: b.TempDir()}, inner)
	point := batch("a", 1, 1)
	var rates, ratios []float64
	for b.Loop() {
		without := parallel(b, inner, 16, 1000, point)
		with := parallel(b, s, 16, 1000, point)
		rates = append(rates, 1000/with.Seconds())
		ratios = append(ratios, without.Seconds()/with.Seconds())
	}
	b.ReportMetric(median(rates), "posts/s")
	b.ReportMetric(median(ratios), "of-direct")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkOutageWrite has many callers post one metric each while the output
// is away.
func BenchmarkOutageWrite(b *testing.B) {
	for _, workers := range []int{1, 64, 512} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) {
			inner := &fakeOutput{}
			inner.set(away)
			s := open(b, spool.Config{Dir: b.TempDir(), MaxSize: 8 << 30}, inner)
			point := batch("a", 1, 1)
			n := max(20*workers, 100)
			var took time.Duration
			b.ReportAllocs()
			for b.Loop() {
				took += parallel(b, s, workers, n, point)
			}
			b.ReportMetric(float64(b.N*n)/took.Seconds(), "posts/s")
			b.ReportMetric(float64(s.spool.Inspect().Bytes)/float64(s.waiting()), "bytes/point")
		})
	}
}

// BenchmarkReplay compares draining with writing the same points directly.
func BenchmarkReplay(b *testing.B) {
	inner := newTCPOutput(b, 8)
	gate := &gatedOutput{Output: inner}
	const points = 200_000
	var rates, ratios []float64
	for b.Loop() {
		gate.shut.Store(true)
		s := open(b, spool.Config{Dir: b.TempDir()}, gate)
		parallel(b, s, 64, points/5, batch("a", 1, 5))
		gate.shut.Store(false)
		// What counts is the rate, not the pause before the next attempt.
		for s.waiting() == points {
			time.Sleep(time.Millisecond)
		}
		started, rest := time.Now(), float64(s.waiting())
		for s.waiting() > 0 {
			time.Sleep(time.Millisecond)
		}
		replay := rest / time.Since(started).Seconds()
		raw := points / parallel(b, inner, 1, points/1000, batch("a", 1, 1000)).Seconds()
		rates = append(rates, replay)
		ratios = append(ratios, replay/raw)
		require.NoError(b, s.Close(context.Background()))
	}
	b.ReportMetric(median(rates), "points/s")
	b.ReportMetric(median(ratios), "of-raw")
}

// BenchmarkLiveWhileDraining measures how long live writes take while a
// backlog drains, of SPOOL_TEST_MIB, 64 MiB unless it is set.
func BenchmarkLiveWhileDraining(b *testing.B) {
	mib, err := strconv.ParseInt(os.Getenv("SPOOL_TEST_MIB"), 10, 64)
	if err != nil {
		mib = 64
	}
	gate := &gatedOutput{Output: newTCPOutput(b, 2)}
	var latencies []float64
	for b.Loop() {
		gate.shut.Store(true)
		s := open(b, spool.Config{Dir: b.TempDir()}, gate)
		for s.spool.Inspect().Bytes < mib<<20 {
			parallel(b, s, 64, 1000, batch("a", 1, 20))
		}
		gate.shut.Store(false)
		point := batch("live", 1, 1)
		for s.waiting() > 0 {
			started := time.Now()
			require.NoError(b, s.Write(context.Background(), point))
			latencies = append(latencies, time.Since(started).Seconds()*1000)
			time.Sleep(time.Millisecond)
		}
		require.NoError(b, s.Close(context.Background()))
	}
	slices.Sort(latencies)
	b.ReportMetric(latencies[len(latencies)*99/100], "p99-ms")
	b.ReportMetric(latencies[len(latencies)-1], "max-ms")
	b.ReportMetric(float64(len(latencies))/float64(b.N), "writes")
}
