package hostmetrics

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// resolves stands for a DNS that knows one name.
func resolves(addresses ...string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(_ context.Context, network, host string) ([]netip.Addr, error) {
		if network != "ip" || host != "time.test" {
			return nil, errors.New("no such host")
		}
		var all []netip.Addr
		for _, address := range addresses {
			all = append(all, netip.MustParseAddr(address))
		}
		return all, nil
	}
}

func TestAddressesAreAskedIPv6FirstAndIPv4InTurn(t *testing.T) {
	for _, c := range []struct{ resolved, asked []string }{
		{[]string{"10.0.0.1", "10.0.0.2", "::ffff:10.0.0.3", "2001:db8::1"}, []string{"2001:db8::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"}},
		{[]string{"10.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db8::3"}, []string{"2001:db8::1", "10.0.0.1", "2001:db8::2", "2001:db8::3"}},
		{[]string{"10.0.0.1"}, []string{"10.0.0.1"}},
		{[]string{"2001:db8::1"}, []string{"2001:db8::1"}},
	} {
		got, err := (&clock{lookup: resolves(c.resolved...)}).resolve(t.Context(), "time.test")
		require.NoError(t, err)
		var asked []string
		for _, address := range got {
			asked = append(asked, address.String())
		}
		require.Equal(t, c.asked, asked)
	}
}

func TestAnAddressIsNotResolved(t *testing.T) {
	for _, host := range []string{"::1", "[::1]", "127.0.0.1"} {
		got, err := (&clock{lookup: resolves()}).resolve(t.Context(), host)
		require.NoError(t, err, host)
		require.Len(t, got, 1)
	}
}

// refusedPort is a UDP port that nobody listens on.
func refusedPort(t *testing.T) string {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(conn.LocalAddr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	return port
}

func TestAServersFailureNamesEachAddressThatWasAsked(t *testing.T) {
	port := refusedPort(t)
	c := clock{servers: []string{"time.test:" + port}, lookup: resolves("::1", "127.0.0.1"), kernel: func(*points) {}}
	metrics, err := c.Collect(t.Context())
	require.Empty(t, metrics)
	require.ErrorContains(t, err, "asking the NTP server time.test:"+port)
	require.ErrorContains(t, err, "[::1]:"+port)
	require.ErrorContains(t, err, "127.0.0.1:"+port)
}

func TestAServerThatNobodyChoseIsNoErrorWhereItCannotBeReached(t *testing.T) {
	var log bytes.Buffer
	c := clock{log: slog.New(slog.NewTextHandler(&log, nil)), lookup: resolves(), kernel: func(*points) {}}
	for range 3 {
		metrics, err := c.Collect(t.Context())
		require.NoError(t, err)
		require.Empty(t, metrics)
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "said once: %s", log.String())
	require.Contains(t, log.String(), "level=INFO")
	require.Contains(t, log.String(), "set time.servers")
}
