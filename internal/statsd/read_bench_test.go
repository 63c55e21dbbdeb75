package statsd

import (
	"fmt"
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
			// read returns how long it takes to read what waits.
			read := func(once func() int) time.Duration {
				fill()
				began := time.Now()
				for got := 0; got < waiting; {
					got += once()
				}
				return time.Since(began)
			}
			buffer := make([]byte, packetSpace)
			rawRead := func() int {
				_, err := socket.conn.Read(buffer)
				require.NoError(b, err)
				return 1
			}
			s := &Server{gatherer: newGatherer(time.Now()), socket: socket}
			serverRead := func() int {
				before := s.gatherer.counts.packets
				require.NoError(b, s.readOnce(socket.packets))
				return int(s.gatherer.counts.packets - before)
			}
			var raw, server time.Duration
			n := 0
			for b.Loop() {
				raw += read(rawRead)
				server += read(serverRead)
				n++
			}
			require.Zero(b, socket.newlyDropped())
			b.ReportMetric(float64(n*waiting)/raw.Seconds(), "raw/s")
			b.ReportMetric(float64(n*waiting)/server.Seconds(), "packets/s")
			b.ReportMetric(raw.Seconds()/server.Seconds(), "x-raw")
		})
	}
}
