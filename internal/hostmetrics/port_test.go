//go:build unix

package hostmetrics_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

func listen(t *testing.T) (port int) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// closedPort returns a port that nobody listens on.
func closedPort(t *testing.T) int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().(*net.TCPAddr).Port
}

// silentPort returns a port whose queue of connections is full, so that the
// kernel answers no more attempts.
func silentPort(t *testing.T) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	address, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	port := address.(*syscall.SockaddrInet4).Port
	for {
		conn, err := net.DialTimeout("tcp4", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String(), 200*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func TestPortsOfAnyAddressAndProtocolAreTried(t *testing.T) {
	six, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this host has no IPv6")
	}
	defer six.Close()
	four, err := net.Listen("tcp4", "127.0.0.2:0")
	require.NoError(t, err)
	defer four.Close()
	portOf := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: []agent.Port{
		{Name: "six", Port: portOf(six), Address: "::1"},
		{Name: "not six", Port: portOf(four), Address: "::1"},
		{Name: "four", Port: portOf(four), Address: "127.0.0.2", Protocol: "tcp"},
		{Name: "mapped", Port: portOf(four), Address: "::ffff:127.0.0.2"},
		{Name: "not four", Port: portOf(four)},
	}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"six": 1.0, "not six": 0.0, "four": 1.0, "mapped": 1.0, "not four": 0.0}, values["web"])
}

func collectPorts(ctx context.Context, t *testing.T, a ...agent.Assignment) (map[string]map[string]any, error) {
	batches, err := assigned(t, hostmetrics.Kinds(hostmetrics.Config{}), "PORT").CollectAssigned(ctx, a)
	values := make(map[string]map[string]any)
	for _, b := range batches {
		values[b.Namespace] = make(map[string]any)
		for _, m := range b.Metrics {
			values[b.Namespace][m.Name] = m.Value
		}
	}
	return values, err
}

func TestPortsOfAllNamespacesAreTried(t *testing.T) {
	open, closed := listen(t), closedPort(t)
	got, err := collectPorts(t.Context(), t,
		agent.Assignment{Namespace: "a", Ports: []agent.Port{{Name: "PORT.open", Port: open}, {Name: "PORT.closed", Port: closed}}},
		agent.Assignment{Namespace: "b", Ports: []agent.Port{{Name: "PORT.same", Port: open, Timeout: time.Second}}},
		agent.Assignment{Namespace: "c"},
	)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]any{
		"a": {"PORT.open": 1.0, "PORT.closed": 0.0},
		"b": {"PORT.same": 1.0},
	}, got)
}

func TestASilentPortCostsNoMoreThanItsTimeLimit(t *testing.T) {
	silent, open := silentPort(t), listen(t)
	began := time.Now()
	got, err := collectPorts(t.Context(), t, agent.Assignment{Ports: []agent.Port{
		{Name: "PORT.silent", Port: silent, Timeout: 150 * time.Millisecond}, {Name: "PORT.open", Port: open},
	}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"PORT.silent": 0.0, "PORT.open": 1.0}, got[""])
	require.Less(t, time.Since(began), time.Second)
}

func TestPortsAreNotReportedClosedBecauseTheAgentStops(t *testing.T) {
	silent := silentPort(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	got, err := collectPorts(ctx, t, agent.Assignment{Ports: []agent.Port{{Name: "PORT.silent", Port: silent}}})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, got)
}

func TestAPortIsClosedWhenTheRoundIsOverBeforeItsTimeLimit(t *testing.T) {
	silent := silentPort(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got, err := collectPorts(ctx, t, agent.Assignment{Ports: []agent.Port{{Name: "PORT.silent", Port: silent}}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"PORT.silent": 0.0}, got[""])
}
