package sockdiag_test

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/sockdiag"
)

// connect returns both ends of a connection.
func connect(t testing.TB, network, address string) (client, server *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	defer listener.Close()
	conn, err := net.Dial(network, listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(); accepted.Close() })
	return conn.(*net.TCPConn), accepted.(*net.TCPConn)
}

// peer returns the owner of the other end of a connection.
func peer(conn *net.TCPConn) (int, error) {
	return sockdiag.Owner(addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr()))
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

func TestOwnerOfASocketIsWhoMadeIt(t *testing.T) {
	for network, address := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		client, server := connect(t, network, address)
		for _, conn := range []*net.TCPConn{client, server} {
			uid, err := peer(conn)
			require.NoError(t, err)
			require.Equal(t, os.Getuid(), uid)
		}
		if os.Getuid() == 0 { // the owner of the descriptor is that of the socket
			file, err := client.File()
			require.NoError(t, err)
			defer file.Close()
			require.NoError(t, file.Chown(65534, 65534))
			uid, err := peer(server)
			require.NoError(t, err)
			require.Equal(t, 65534, uid)
		}
	}
}

func TestSocketThatOnlySendsNoMoreHasItsOwner(t *testing.T) {
	client, server := connect(t, "tcp4", "127.0.0.1:0")
	require.NoError(t, client.CloseWrite())
	uid, err := peer(server)
	require.NoError(t, err)
	require.Equal(t, os.Getuid(), uid)
}

// The kernel keeps a socket that its process has closed, and returns an owner that is
// wrong.
func TestSocketThatIsClosedHasNoOwner(t *testing.T) {
	client, server := connect(t, "tcp4", "127.0.0.1:0")
	_, err := client.Write([]byte("the last"))
	require.NoError(t, err)
	require.NoError(t, client.Close())
	_, err = peer(server)
	require.ErrorIs(t, err, sockdiag.ErrNoOwner)

	client, server = connect(t, "tcp4", "127.0.0.1:0")
	require.NoError(t, server.Close()) // TIME_WAIT
	require.NoError(t, client.Close())
	_, err = peer(client)
	require.ErrorIs(t, err, sockdiag.ErrNoOwner)
}

// If there is no such connection, the kernel answers with the socket that listens there.
func TestListenerIsNotTheOwnerOfAConnection(t *testing.T) {
	for network, address := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		listener, err := net.Listen(network, address)
		require.NoError(t, err)
		defer listener.Close()
		at := addrPort(listener.Addr())
		_, err = sockdiag.Owner(at, netip.AddrPortFrom(at.Addr(), 1))
		require.ErrorIs(t, err, sockdiag.ErrNoOwner)
	}
	_, err := sockdiag.Owner(netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2"))
	require.ErrorIs(t, err, sockdiag.ErrNoOwner)
}

func TestOwnerOfAnIPv4ConnectionMayHaveASocketOfIPv6(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	to := &unix.SockaddrInet6{Port: listener.Addr().(*net.TCPAddr).Port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	require.NoError(t, unix.Connect(fd, to))
	server, err := listener.Accept()
	require.NoError(t, err)
	defer server.Close()
	uid, err := peer(server.(*net.TCPConn))
	require.NoError(t, err)
	require.Equal(t, os.Getuid(), uid)

	local, remote := addrPort(server.RemoteAddr()), addrPort(server.LocalAddr())
	mapped := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	}
	uid, err = sockdiag.Owner(mapped(local), mapped(remote))
	require.NoError(t, err)
	require.Equal(t, os.Getuid(), uid)
}

// crowd opens connections that a search may have to pass.
func crowd(b *testing.B, n int) (server *net.TCPConn) {
	for range n / 2 { // a connection has two sockets
		_, server = connect(b, "tcp4", "127.0.0.1:0")
	}
	return server
}

func BenchmarkOwner(b *testing.B) {
	for name, n := range map[string]int{"10": 10, "10000": 10_000} {
		b.Run(name, func(b *testing.B) {
			server := crowd(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := peer(server); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadingTheTable is what the other way would cost, without its parsing.
func BenchmarkReadingTheTable(b *testing.B) {
	for name, n := range map[string]int{"10": 10, "10000": 10_000} {
		b.Run(name, func(b *testing.B) {
			crowd(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := os.ReadFile("/proc/net/tcp"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
