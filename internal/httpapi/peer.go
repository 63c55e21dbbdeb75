package httpapi

import (
	"context"
	"net"
)

// uidKey is the key of a connection's context under which the peer's uid is.
type uidKey struct{}

// ConnContext lets the API know which user connects to a unix socket. It is for
// [http.Server.ConnContext].
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	for {
		if unix, ok := conn.(*net.UnixConn); ok {
			if uid, known := peerUID(unix); known {
				return context.WithValue(ctx, uidKey{}, uid)
			}
			return ctx
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return ctx
		}
		conn = outer.NetConn()
	}
}
