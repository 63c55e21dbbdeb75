package statsd

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkFlood sends 300,000 packets a second to a server for as long as the benchmark
// lasts, and prints what the kernel dropped. The kernel cuts what the sender writes into
// packets (UDP_SEGMENT), because a call for each takes longer than to read them.
func BenchmarkFlood(b *testing.B) {
	const rate, burst = 300_000, 60
	packet := []byte("shop.orders:1|c|#dc:fra,env:prod")
	to := &receiver{own: []string{"web"}}
	socket, err := Listen("127.0.0.1:0")
	require.NoError(b, err)
	defer socket.Close()
	server := Start(socket, Config{Agent: func() Agent { return to }, Interval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	conn, err := net.Dial("udp", socket.Address())
	require.NoError(b, err)
	defer conn.Close()
	control(conn, func(fd int) { err = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(packet)) })
	require.NoError(b, err)
	packets := bytes.Repeat(packet, burst)
	sent := 0
	began := time.Now()
	for b.Loop() {
		_, err := conn.Write(packets)
		require.NoError(b, err)
		sent += burst
		for time.Since(began) < time.Duration(sent)*time.Second/rate {
		}
	}
	took := time.Since(began)
	require.NoError(b, server.Stop(b.Context()))
	status := server.Status()
	require.EqualValues(b, sent, status.Packets+status.PacketsDropped)
	b.ReportMetric(float64(sent)/took.Seconds(), "packets/s")
	b.ReportMetric(float64(status.PacketsDropped), "dropped")
}
