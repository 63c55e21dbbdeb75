package statsd

import (
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many packets are read with one call. docs/decisions/statsd.md has what it
// gains.
const batchSize = 32

// batch reads packets with recvmmsg(2). Of its memory, only what packets have filled is
// resident.
type batch struct {
	conn    syscall.RawConn
	receive func(fd uintptr) (done bool) // one call, whose result is in received and errno

	received int
	errno    syscall.Errno

	headers [batchSize]header
	vectors [batchSize]unix.Iovec
	space   []byte
}

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	size uint32 // of the packet
}

func newBatch(conn net.Conn) (*batch, error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", conn.LocalAddr(), err)
	}
	b := &batch{conn: raw, space: make([]byte, batchSize*packetSpace)}
	for i := range b.headers {
		b.vectors[i].Base = &b.space[i*packetSpace]
		b.vectors[i].SetLen(packetSpace)
		b.headers[i].Iov = &b.vectors[i]
		b.headers[i].SetIovlen(1)
	}
	b.receive = func(fd uintptr) bool {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers)), batchSize, unix.MSG_DONTWAIT, 0, 0)
		b.received, b.errno = int(n), errno
		return errno != unix.EAGAIN && errno != unix.EINTR
	}
	return b, nil
}

// read waits for packets, and returns how many there are. They are valid until the next
// call.
func (b *batch) read() (int, error) {
	if err := b.conn.Read(b.receive); err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, b.errno
	}
	return b.received, nil
}

// packet returns a packet that was read. It fills its space only if it was cut.
func (b *batch) packet(i int) []byte {
	return b.space[i*packetSpace:][:b.headers[i].size]
}
