//go:build !linux

package httpapi

import (
	"errors"
	"net"
)

// unixPeer and tcpPeer know no users on this system.
func unixPeer(*net.UnixConn) (uid int, err error) { return 0, errors.ErrUnsupported }

func tcpPeer(*net.TCPConn) (uid int, err error) { return 0, errors.ErrUnsupported }
