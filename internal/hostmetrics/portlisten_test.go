//go:build linux

package hostmetrics_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

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

func TestAListeningPortIsFoundWithoutAConnection(t *testing.T) {
	var ports []agent.Port
	tcp := func(name, network, at, address string) {
		l, err := net.Listen(network, at)
		require.NoError(t, err)
		t.Cleanup(func() { // nobody has connected
			require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now()))
			_, err := l.Accept()
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			l.Close()
		})
		ports = append(ports, agent.Port{Name: name, Port: l.Addr().(*net.TCPAddr).Port, Address: address, Listen: true})
	}
	tcp("any", "tcp4", "127.0.0.2:0", "")
	tcp("this", "tcp4", "127.0.0.2:0", "127.0.0.2")
	tcp("other", "tcp4", "127.0.0.2:0", "127.0.0.1")
	tcp("all", "tcp4", "0.0.0.0:0", "192.0.2.1")
	tcp("any six", "tcp6", "[::1]:0", "")
	tcp("six", "tcp6", "[::1]:0", "::1")
	tcp("both", "tcp", "[::]:0", "127.0.0.1")
	tcp("only six", "tcp6", "[::]:0", "127.0.0.1")
	tcp("only four", "tcp4", "0.0.0.0:0", "::1")
	udp, err := net.ListenPacket("udp4", "127.0.0.2:0")
	require.NoError(t, err)
	defer udp.Close()
	port := udp.LocalAddr().(*net.UDPAddr).Port
	ports = append(ports, agent.Port{Name: "any udp", Port: port, Protocol: "udp", Listen: true},
		agent.Port{Name: "not tcp", Port: port, Listen: true}, agent.Port{Name: "closed", Port: closedPort(t), Listen: true})

	values, err := collectPorts(t.Context(), t, agent.Assignment{Namespace: "web", Ports: ports})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"any": 1.0, "this": 1.0, "other": 0.0, "all": 1.0, "any six": 1.0, "six": 1.0, "both": 1.0, "only six": 0.0, "only four": 0.0,
		"any udp": 1.0, "not tcp": 0.0, "closed": 0.0,
	}, values["web"])
}

func TestListeningPortsOfAnotherRootAreReadFromItsTables(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "proc/net/tcp"), "  sl  local_address rem_address   st\n"+
		"  0: 0100007F:0016 00000000:0000 0A\n  1: 0100007F:0050 0100007F:1234 01\n")
	batches, err := assigned(t, hostmetrics.Kinds(hostmetrics.Config{Root: root}), "PORT").CollectAssigned(t.Context(), []agent.Assignment{{
		Ports: []agent.Port{{Name: "ssh", Port: 22, Listen: true}, {Name: "connected", Port: 80, Listen: true}},
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"ssh 1", "connected 0"}, batchLines(batches)[""])
}

// FuzzSocketTable reads any table of sockets: it finds as many as the lines that have the
// state, at most, and each has an address.
func FuzzSocketTable(f *testing.F) {
	for _, name := range []string{"udp", "udp6", "tcp", "tcp6"} {
		if content, err := os.ReadFile("/proc/net/" + name); err == nil {
			f.Add(content)
		}
	}
	f.Add([]byte("  1: 0100007F:0035 00000000:0000 07\n"))
	f.Add([]byte("  1: 00000000000000000000000001000000:0035 0:0 07"))
	f.Fuzz(func(t *testing.T, content []byte) {
		listeners := hostmetrics.ParseSocketTable(content, "07")
		require.LessOrEqual(t, len(listeners), bytes.Count(content, []byte("07")))
		for _, l := range listeners {
			require.True(t, l.At.IsValid())
			require.False(t, l.At.Addr().Is4In6())
		}
	})
}
