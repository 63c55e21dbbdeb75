//go:build !linux

package httpapi

import "net"

// peerUID knows no user on this system.
func peerUID(*net.UnixConn) (uid int, known bool) { return 0, false }
