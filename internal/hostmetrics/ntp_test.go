package hostmetrics_test

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

// ntpServer answers with a clock that is ahead by offset; stratum 0 is the
// refusal to serve. A negative stratum answers nothing.
func ntpServer(t *testing.T, offset time.Duration, stratum int) string {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		request := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDP(request)
			if err != nil {
				return
			}
			if n < 48 || stratum < 0 {
				continue
			}
			now := ntpTime(time.Now().Add(offset))
			answer := make([]byte, 48)
			answer[0] = 4<<3 | 4 // version 4, server
			answer[1] = byte(stratum)
			answer[3] = 0xec // 2^-20 s
			binary.BigEndian.PutUint64(answer[16:], now-1<<32)
			copy(answer[24:32], request[40:48])
			binary.BigEndian.PutUint64(answer[32:], now)
			binary.BigEndian.PutUint64(answer[40:], now)
			conn.WriteToUDP(answer, from)
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

// ntpTime is in 2^-32 s since 1900 (RFC 5905, section 6).
func ntpTime(t time.Time) uint64 {
	const from1900To1970 = 2208988800
	return uint64(t.Unix()+from1900To1970)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func collectTime(ctx context.Context, t *testing.T, servers ...string) ([]string, []float64, error) {
	kinds := hostmetrics.Kinds(hostmetrics.Config{NTPServers: servers})
	hostmetrics.ForgetKernelClock(kinds)
	metrics, err := collector(t, kinds, "TIME").Collect(ctx)
	var names []string
	var values []float64
	for _, m := range metrics {
		names, values = append(names, m.Name), append(values, m.Value.(float64))
	}
	return names, values, err
}

func TestTheOffsetIsWhatTheHostsClockLacks(t *testing.T) {
	names, values, err := collectTime(t.Context(), t, ntpServer(t, 90*time.Second, 2))
	require.NoError(t, err)
	require.Equal(t, []string{"time.offset"}, names)
	require.InDelta(t, 90, values[0], 0.5)
}

func TestTheNextNTPServerIsAskedWhereOneRefuses(t *testing.T) {
	_, values, err := collectTime(t.Context(), t, ntpServer(t, 0, 0), ntpServer(t, -time.Hour, 2))
	require.NoError(t, err)
	require.InDelta(t, -3600, values[0], 0.5)
}

func TestASilentNTPServerEndsWithTheRound(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	names, _, err := collectTime(ctx, t, ntpServer(t, 0, -1))
	require.ErrorContains(t, err, "asking the NTP server 127.0.0.1:")
	require.Empty(t, names)
	require.Less(t, time.Since(began), 2*time.Second)
}

func TestTheNextAddressOfAnNTPServerIsAskedWhereOneIsSilent(t *testing.T) {
	_, port, err := net.SplitHostPort(ntpServer(t, time.Minute, 2)) // of 127.0.0.1
	require.NoError(t, err)
	kinds := hostmetrics.Kinds(hostmetrics.Config{NTPServers: []string{"time.test:" + port}})
	hostmetrics.ForgetKernelClock(kinds)
	hostmetrics.FakeDNS(kinds, "::1", "127.0.0.2", "127.0.0.1")
	metrics, err := collector(t, kinds, "TIME").Collect(t.Context())
	require.NoError(t, err)
	require.Len(t, metrics, 1)
	require.InDelta(t, 60, metrics[0].Value, 0.5)
}
