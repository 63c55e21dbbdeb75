package sockdiag_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lodastack/agent/internal/sockdiag"
)

func TestListeningSocketsAreListedWithTheirAddresses(t *testing.T) {
	four, err := net.Listen("tcp4", "127.0.0.2:0")
	require.NoError(t, err)
	defer four.Close()
	only6 := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(err, c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
		}))
	}}
	six, err := only6.Listen(context.Background(), "tcp6", "[::]:0")
	if err != nil {
		t.Skip("this host has no IPv6")
	}
	defer six.Close()
	both, err := net.Listen("tcp", "[::]:0")
	require.NoError(t, err)
	defer both.Close()
	conn, err := net.Dial("tcp4", four.Addr().String())
	require.NoError(t, err)
	defer conn.Close()

	listeners, err := sockdiag.ListeningTCP()
	require.NoError(t, err)
	require.Contains(t, listeners, sockdiag.Listener{At: addrPort(four.Addr())})
	require.Contains(t, listeners, sockdiag.Listener{At: addrPort(six.Addr()), Only6: true})
	require.Contains(t, listeners, sockdiag.Listener{At: addrPort(both.Addr())})
	require.NotContains(t, listeners, sockdiag.Listener{At: addrPort(conn.LocalAddr())})
}

func TestUDPSocketsAreListedUnlessTheyAreConnected(t *testing.T) {
	open, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer open.Close()
	connected, err := net.Dial("udp4", open.LocalAddr().String())
	require.NoError(t, err)
	defer connected.Close()

	listeners, err := sockdiag.UnconnectedUDP()
	if errors.Is(err, unix.ENOENT) {
		t.Skip("this kernel does not list UDP sockets")
	}
	require.NoError(t, err)
	at := func(a net.Addr) netip.AddrPort { return a.(*net.UDPAddr).AddrPort() }
	require.Contains(t, listeners, sockdiag.Listener{At: at(open.LocalAddr())})
	require.NotContains(t, listeners, sockdiag.Listener{At: at(connected.LocalAddr())})
}

func TestAllOfThousandListenersAreListed(t *testing.T) { // the kernel answers in parts
	want := make(map[netip.AddrPort]bool)
	for range 1000 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		want[addrPort(l.Addr())] = true
	}
	listeners, err := sockdiag.ListeningTCP()
	require.NoError(t, err)
	for _, l := range listeners {
		delete(want, l.At)
	}
	require.Empty(t, want)
}

func FuzzDump(f *testing.F) {
	f.Add([]byte{20, 0, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{20, 0, 0, 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 254, 255, 255, 255})
	f.Fuzz(func(t *testing.T, answer []byte) {
		listeners, err := sockdiag.ParseDump(answer)
		if err == nil {
			require.LessOrEqual(t, len(listeners)*88, len(answer))
		}
	})
}
