package nsqdtest

import (
	"net"
	"sync"
	"time"
)

// front is a proxy between nsqd and its clients, so that
//
//   - the server can be frozen, as by SIGSTOP: connections are made and stay,
//     and nothing is answered;
//   - stopping cuts off the clients before nsqd ends. nsqd misses connections
//     that are being opened at that moment: it would wait for their clients
//     for ever, and acknowledge messages that it then loses.
type front struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu     sync.Mutex // guards the following fields
	thawed *sync.Cond
	frozen bool
	closed bool
	conns  map[net.Conn]bool
}

// newFront listens on addr for the nsqd at target.
func newFront(addr, target string) (*front, error) {
	listener, err := listen(addr)
	if err != nil {
		return nil, err
	}
	f := &front{listener: listener, target: target, conns: map[net.Conn]bool{}}
	f.thawed = sync.NewCond(&f.mu)
	f.done.Go(f.accept)
	return f, nil
}

// listen retries for a while if the address was in use a moment ago.
func listen(addr string) (net.Listener, error) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		listener, err := net.Listen("tcp", addr)
		if err == nil || time.Now().After(deadline) {
			return listener, err
		}
	}
}

// freeze stops all traffic, or continues with what was sent meanwhile.
func (f *front) freeze(frozen bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = frozen
	f.thawed.Broadcast()
}

// close disconnects the clients, then nsqd.
func (f *front) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	f.closed = true
	f.thawed.Broadcast()
	for c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.done.Wait()
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.done.Go(func() { f.serve(client) })
	}
}

func (f *front) serve(client net.Conn) {
	defer client.Close()
	if !f.add(client) {
		return
	}
	defer f.remove(client)
	if !f.awaitThaw() {
		return
	}
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()
	f.done.Go(func() { f.forward(client, server) })
	f.forward(server, client)
}

// forward copies from src to dst until src closes the connection, then closes
// dst. If dst takes no more, it may have sent the reason, which the other
// direction forwards.
func (f *front) forward(dst, src net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if !f.awaitThaw() {
			return
		}
		if _, werr := dst.Write(buf[:n]); werr != nil {
			return
		}
		if err != nil {
			_ = dst.Close()
			return
		}
	}
}

// add registers a client for close. It returns false if the front is closed.
func (f *front) add(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.conns[c] = true
	}
	return !f.closed
}

func (f *front) remove(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

// awaitThaw returns true once the front is not frozen, and false if it is
// closed.
func (f *front) awaitThaw() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.frozen && !f.closed {
		f.thawed.Wait()
	}
	return !f.closed
}
