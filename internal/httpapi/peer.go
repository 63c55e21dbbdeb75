package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// peerKey is the key of a connection's context under which its peer is.
type peerKey struct{}

// peer finds the user of the process that opened the other end of a connection.
// An error means that it is not known.
type peer func() (uid int, err error)

// ConnContext lets the API find the user of a caller on this host. It is for
// [http.Server.ConnContext].
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	for {
		switch c := conn.(type) {
		case *net.UnixConn:
			uid, err := unixPeer(c)
			return context.WithValue(ctx, peerKey{}, peer(func() (int, error) { return uid, err }))
		case *net.TCPConn:
			return context.WithValue(ctx, peerKey{}, peer(func() (int, error) { return tcpPeer(c) }))
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return ctx
		}
		conn = outer.NetConn()
	}
}

// errNoPeer is for servers that do not use ConnContext.
var errNoPeer = errors.New("the server was not set up with httpapi.ConnContext (http.Server.ConnContext)")

// peerOf returns the user of the process that made a request.
func peerOf(r *http.Request) (uid int, err error) {
	find, ok := r.Context().Value(peerKey{}).(peer)
	if !ok {
		return 0, errNoPeer
	}
	return find()
}
