// Package addresstest gives tests addresses to listen on later, or again.
package addresstest

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Free returns a TCP address of this host on which nobody listens. It has a loopback
// address that only this process uses, not 127.0.0.1, so that no other program gets the
// port before the test uses it. (Linux answers to all of 127.0.0.0/8.)
func Free(tb testing.TB) string {
	tb.Helper()
	pid := os.Getpid()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>14&0x7f, pid>>7&0x7f, 1+pid&0x7f))
	require.NoError(tb, err)
	require.NoError(tb, listener.Close())
	return listener.Addr().String()
}
