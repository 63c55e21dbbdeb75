package httpserver

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// limit is a listener that bounds its open connections.
//
// Idle connections cannot shut others out: if all are in use, the one that
// has been idle for longest is closed to make room, and a further one waits
// only while none is idle. One address holds at most three quarters of all;
// beyond, its own idle connections make room, or the new one is refused.
type limit struct {
	net.Listener
	most   int
	logger *slog.Logger

	mu      sync.Mutex
	changed *sync.Cond           // of mu
	open    map[*connection]bool // guarded by mu
	held    map[netip.Addr]int   // guarded by mu; open connections by address
	closed  bool                 // guarded by mu
	refused map[netip.Addr]bool  // guarded by mu; addresses that the log has named
}

// connection is an open connection of a limit.
type connection struct {
	net.Conn
	limit   *limit
	address netip.Addr // zero: not of TCP

	idle  bool      // guarded by limit.mu; also before the first request
	since time.Time // guarded by limit.mu; when idle was set
}

// maxRefused bounds how many addresses the log names.
const maxRefused = 100

func newLimit(listener net.Listener, most int, logger *slog.Logger) net.Listener {
	l := &limit{
		Listener: listener, most: most, logger: logger,
		open: make(map[*connection]bool), held: make(map[netip.Addr]int), refused: make(map[netip.Addr]bool),
	}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// share is how many connections one address may hold.
func (l *limit) share() int { return l.most - l.most/4 }

// Accept waits for room before it takes a connection out of the socket: there
// the connection survives until another server takes over.
func (l *limit) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		l.awaitRoom()
		l.mu.Unlock()
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(conn); c != nil {
			return c, nil
		}
		_ = conn.Close() // the peer is told by the end of the connection
		if address := addressOf(conn); l.isFirstRefusal(address) {
			l.logger.Warn("one address holds its share of connections to the HTTP API: further ones are refused; a larger api.maxconnections allows more",
				"address", address, "connections", l.share())
		}
	}
}

// awaitRoom returns once a connection may be added, or the listener is closed.
// The caller holds mu.
func (l *limit) awaitRoom() {
	for !l.closed && len(l.open) >= l.most && l.longestIdle(netip.Addr{}) == nil {
		l.changed.Wait()
	}
}

// admit adds a connection; nil if its address holds too many.
func (l *limit) admit(conn net.Conn) *connection {
	c := &connection{Conn: conn, limit: l, address: addressOf(conn), idle: true, since: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	var victim *connection
	if c.address.IsValid() && l.held[c.address] >= l.share() {
		if victim = l.longestIdle(c.address); victim == nil {
			return nil
		}
	} else if l.awaitRoom(); len(l.open) >= l.most {
		victim = l.longestIdle(netip.Addr{}) // nil if the listener was closed: let the last one in
	}
	if victim != nil {
		l.remove(victim)
		_ = victim.Conn.Close() // its server sees that
	}
	l.open[c] = true
	if c.address.IsValid() {
		l.held[c.address]++
	}
	return c
}

// longestIdle returns the connection that has been idle for longest, of one
// address or, if that is zero, of all. The caller holds mu.
func (l *limit) longestIdle(of netip.Addr) (longest *connection) {
	for c := range l.open {
		if c.idle && (!of.IsValid() || c.address == of) && (longest == nil || c.since.Before(longest.since)) {
			longest = c
		}
	}
	return longest
}

// remove forgets a connection. The caller holds mu.
func (l *limit) remove(c *connection) {
	if !l.open[c] {
		return
	}
	delete(l.open, c)
	if l.held[c.address]--; l.held[c.address] <= 0 {
		delete(l.held, c.address)
	}
	l.changed.Broadcast()
}

// isFirstRefusal is true once for each address.
func (l *limit) isFirstRefusal(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused[address] || len(l.refused) >= maxRefused {
		return false
	}
	l.refused[address] = true
	return true
}

// Close makes Accept return. Open connections stay open.
func (l *limit) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// Close closes the connection and makes room for another one.
func (c *connection) Close() error {
	c.limit.mu.Lock()
	c.limit.remove(c)
	c.limit.mu.Unlock()
	return c.Conn.Close()
}

// NetConn returns the connection that c wraps, as tls.Conn's method does.
func (c *connection) NetConn() net.Conn { return c.Conn }

// setIdle notes whether a connection waits for a request.
func setIdle(conn net.Conn, idle bool) {
	c := limited(conn)
	if c == nil {
		return
	}
	c.limit.mu.Lock()
	defer c.limit.mu.Unlock()
	c.idle, c.since = idle, time.Now()
	c.limit.changed.Broadcast()
}

// limited returns the connection of a limit that conn is or wraps.
func limited(conn net.Conn) *connection {
	for {
		if c, ok := conn.(*connection); ok {
			return c
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = outer.NetConn()
	}
}

// addressOf returns the peer's address; zero if it is not one of TCP.
func addressOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
