package statsd

import (
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkRead reads packets that wait in the kernel's buffer: with a loop that does
// nothing else (raw), and as a server does. It prints packets a second and by the raw loop.
func BenchmarkRead(b *testing.B) {
	const waiting = 5000 // fit into the buffer
	for name, line := range map[string]func(i int) string{
		"counter": func(i int) string { return fmt.Sprintf("shop.orders.%d:1|c|#dc:fra,env:prod", i%1000) },
		"timer":   func(i int) string { return fmt.Sprintf("shop.page.%d:%d|ms|@0.5|#dc:fra", i%100, i) },
	} {
		b.Run(name, func(b *testing.B) {
			socket, err := Listen("127.0.0.1:0")
			require.NoError(b, err)
			defer socket.Close()
			conn, err := net.Dial("udp", socket.Address())
			require.NoError(b, err)
			defer conn.Close()
			var packets [waiting][]byte
			for i := range packets {
				packets[i] = []byte(line(i))
			}
			fill := func() {
				for _, p := range packets {
					_, err := conn.Write(p)
					require.NoError(b, err)
				}
			}
			buffer := make([]byte, maxPacket+1)
			read := func(each func([]byte)) time.Duration {
				fill()
				began := time.Now()
				for range waiting {
					n, err := socket.conn.Read(buffer)
					require.NoError(b, err)
					each(buffer[:n])
				}
				return time.Since(began)
			}
			g := newGatherer(time.Now())
			var raw, server time.Duration
			n := 0
			for b.Loop() {
				raw += read(func([]byte) {})
				server += read(func(p []byte) { g.packet(p, time.Now()) })
				n++
			}
			require.Zero(b, socket.newlyDropped())
			b.ReportMetric(float64(n*waiting)/raw.Seconds(), "raw/s")
			b.ReportMetric(float64(n*waiting)/server.Seconds(), "packets/s")
			b.ReportMetric(raw.Seconds()/server.Seconds(), "x-raw")
		})
	}
}

// BenchmarkFlood sends 300,000 packets a second to a server for as long as the benchmark
// lasts, and prints the share that the kernel dropped.
func BenchmarkFlood(b *testing.B) {
	const rate, burst = 300_000, 300
	to := &receiver{own: []string{"web"}}
	socket, err := Listen("127.0.0.1:0")
	require.NoError(b, err)
	defer socket.Close()
	server := Start(socket, Config{Agent: func() Agent { return to }, Interval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	conn, err := net.Dial("udp", socket.Address())
	require.NoError(b, err)
	defer conn.Close()
	packet := []byte("shop.orders:1|c|#dc:fra,env:prod")
	next := time.Now()
	sent := 0
	for b.Loop() {
		for range burst {
			_, err := conn.Write(packet)
			require.NoError(b, err)
		}
		sent += burst
		next = next.Add(burst * time.Second / rate)
		for time.Now().Before(next) {
		}
	}
	took := b.Elapsed()
	require.NoError(b, server.Stop(b.Context()))
	status := server.Status()
	b.ReportMetric(float64(sent)/took.Seconds(), "packets/s")
	b.ReportMetric(100*float64(status.PacketsDropped)/float64(sent), "%dropped")
	require.EqualValues(b, sent, status.Packets+status.PacketsDropped)
}
