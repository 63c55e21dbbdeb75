package httpapi

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A caller sends a request and resets its connection, and another process gets its
// port and connects, all before the first request is served.
func TestWhoTakesThePortOfACallerThatHasLeftIsNotTakenForIt(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dial := func(from net.Addr) (*net.TCPConn, error) {
		dialer := net.Dialer{LocalAddr: from, Control: func(_, _ string, c syscall.RawConn) (err error) {
			failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
			if failed != nil {
				return failed
			}
			return err
		}}
		conn, err := dialer.Dial("tcp4", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	first, err := dial(nil)
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	served := accepted.(*net.TCPConn)
	defer served.Close()
	uid, err := tcpPeer(served)
	require.NoError(t, err)
	require.Equal(t, os.Getuid(), uid)

	_, err = first.Write([]byte("a request"))
	require.NoError(t, err)
	require.NoError(t, first.SetLinger(0))
	require.NoError(t, first.Close())
	second, err := dial(first.LocalAddr())
	if errors.Is(err, syscall.EADDRINUSE) {
		t.Skip("another program took the port in between")
	}
	require.NoError(t, err)
	defer second.Close()
	require.Equal(t, first.LocalAddr().String(), second.LocalAddr().String())
	_, err = tcpPeer(served)
	require.ErrorContains(t, err, "the caller has left")
	_, _ = io.ReadAll(served) // the request is still there, or not: it has no owner
}
