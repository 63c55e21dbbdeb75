//go:build linux

package hostmetrics_test

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

func TestAUDPPortIsFoundAmongTheSocketsOfTheHost(t *testing.T) {
	var ports []agent.Port
	udp := func(name, network, listen, address string) {
		socket, err := net.ListenPacket(network, listen)
		require.NoError(t, err)
		t.Cleanup(func() { socket.Close() })
		ports = append(ports, agent.Port{Name: name, Port: socket.LocalAddr().(*net.UDPAddr).Port, Address: address, Protocol: "udp"})
	}
	udp("loopback", "udp4", "127.0.0.1:0", "")
	udp("other", "udp4", "127.0.0.2:0", "")
	udp("all", "udp4", "0.0.0.0:0", "127.0.0.3")
	udp("all six", "udp", "[::]:0", "")
	udp("six", "udp6", "[::1]:0", "::1")
	udp("not six", "udp4", "127.0.0.1:0", "::1")
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	ports = append(ports, agent.Port{Name: "closed", Port: closed.LocalAddr().(*net.UDPAddr).Port, Protocol: "udp"})
	require.NoError(t, closed.Close())

	values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: ports})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"loopback": 1.0, "other": 0.0, "all": 1.0, "all six": 1.0, "six": 1.0, "not six": 0.0, "closed": 0.0}, values["web"])
}

func TestUDPPortsAreUnknownWithoutTheListOfSockets(t *testing.T) {
	ports := []agent.Assignment{{Ports: []agent.Port{{Name: "dns", Port: 53, Protocol: "udp"}}}}
	root := t.TempDir()
	_, err := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PORT").CollectAssigned(t.Context(), ports)
	require.ErrorContains(t, err, "trying dns: looking for UDP sockets")

	write(t, filepath.Join(root, "proc/net/udp"), "  sl  local_address rem_address\n  1: 0100007F:0035 00000000:0000 07\n")
	batches, err := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PORT").CollectAssigned(t.Context(), ports)
	require.NoError(t, err, "a kernel without IPv6")
	require.Equal(t, []string{"dns 1"}, batchLines(batches)[""])
}
