//go:build !linux

package statsd

import "net"

// batch reads one packet with each call.
type batch struct {
	conn  net.Conn
	space [packetSpace]byte
	size  int
}

func newBatch(conn net.Conn) (*batch, error) { return &batch{conn: conn}, nil }

// read waits for a packet, which is valid until the next call, and returns how many there
// are.
func (b *batch) read() (int, error) {
	var err error
	b.size, err = b.conn.Read(b.space[:])
	return 1, err
}

// packet returns the packet that was read. It fills its space only if it was cut.
func (b *batch) packet(int) []byte { return b.space[:b.size] }
