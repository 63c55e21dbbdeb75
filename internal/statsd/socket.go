package statsd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lodastack/agent/internal/hostport"
)

// bufferSize is what the kernel is asked to keep, in bytes, while the agent does something
// else. It takes the memory only for packets that wait, and grants less to users other than
// root (net.core.rmem_max).
const bufferSize = 16 << 20

// longestPath is how long the path of a unix socket may be, in bytes.
const longestPath = 107

// Socket is where packets arrive. One [Server] at a time may use it.
type Socket struct {
	conn    net.Conn
	packets *batch
	path    string // of a unix socket; empty: UDP
	// base is what the kernel had dropped when the socket was last looked at.
	base uint32
}

// CheckListen returns an error unless address is one for [Listen].
func CheckListen(address string) error {
	if filepath.IsAbs(address) {
		if len(address) > longestPath {
			return fmt.Errorf("a path of %d bytes is too long for a socket; the limit is %d", len(address), longestPath)
		}
		return nil
	}
	if err := hostport.CheckListen(address, "127.0.0.1:8125"); err != nil {
		return fmt.Errorf("%w, or the absolute path of a unix socket", err)
	}
	return nil
}

// Listen opens a socket: of UDP for HOST:PORT, and a unix datagram socket for an absolute
// path, which everybody on the host may send to who can reach its directory. It replaces a
// socket that a killed agent left.
func Listen(address string) (*Socket, error) {
	if filepath.IsAbs(address) {
		return listenUnix(address)
	}
	udp, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", address, err)
	}
	conn, err := net.ListenUDP("udp", udp)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another program listens on %s already; stop it, or name another address", address)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("this host does not have the address of %s: name one that it has, such as 127.0.0.1, or 0.0.0.0 for all", address)
	}
	if err != nil {
		return nil, err
	}
	return newSocket(conn, "")
}

func newSocket(conn net.Conn, path string) (*Socket, error) {
	enlarge(conn)
	packets, err := newBatch(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Socket{conn: conn, packets: packets, path: path}, nil
}

func listenUnix(path string) (*Socket, error) {
	address := &net.UnixAddr{Name: path, Net: "unixgram"}
	if conn, err := net.DialUnix("unixgram", nil, address); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another program listens on %s already; stop it, or name another socket", path)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s exists already and is not a socket; name another path", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	conn, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(err, conn.Close(), os.Remove(path))
	}
	return newSocket(conn, path)
}

// Address returns where the socket listens, with the port that it has got.
func (s *Socket) Address() string { return s.conn.LocalAddr().String() }

// Close closes the socket and removes its file.
func (s *Socket) Close() error {
	err := s.conn.Close()
	if s.path == "" {
		return err
	}
	if removed := os.Remove(s.path); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// newlyDropped returns how many packets the kernel has dropped since the last call, because
// its buffer was full.
func (s *Socket) newlyDropped() int64 {
	now := dropped(s.conn)
	newly := now - s.base // also right if the kernel's 32 bits have overflowed
	s.base = now
	return int64(newly)
}
