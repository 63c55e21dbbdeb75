package stock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// endpoint is where the HTTP API listens.
type endpoint struct{ network, address string }

// endpoints lists where the config wants the API served.
func endpoints(cfg Config) []endpoint {
	list := []endpoint{{"tcp", cfg.Agent.Listen}}
	if cfg.API.Socket != "" {
		list = append(list, endpoint{"unix", cfg.API.Socket})
	}
	return list
}

// listeners are open sockets by where they listen.
type listeners map[endpoint]net.Listener

// listen opens what the config wants. What is in inherited already is
// duplicated: connections that come in while one server follows another wait
// in the socket, and none is refused.
func listen(cfg Config, inherited listeners) (listeners, error) {
	opened := listeners{}
	for _, e := range endpoints(cfg) {
		var err error
		if old := inherited[e]; old != nil {
			opened[e], err = duplicate(old)
		} else {
			opened[e], err = e.listen()
		}
		if err != nil {
			delete(opened, e)
			return nil, errors.Join(err, opened.close())
		}
	}
	return opened, nil
}

func (l listeners) close() error {
	var wrong []error
	for _, listener := range l {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// removeFiles removes the files of unix sockets that successor has not.
func (l listeners) removeFiles(successor listeners) {
	for e := range l {
		if e.network == "unix" && successor[e] == nil {
			os.Remove(e.address) // a file that stays does no harm: listenUnix replaces it
		}
	}
}

func (e endpoint) listen() (net.Listener, error) {
	if e.network == "unix" {
		return listenUnix(e.address)
	}
	listener, err := net.Listen(e.network, e.address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("agent.listen: another program listens on %s already; stop it, or name another address", e.address)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("agent.listen: this host does not have the address of %s: name one that it has, such as 127.0.0.1, or 0.0.0.0 for all", e.address)
	}
	if err != nil {
		return nil, fmt.Errorf("agent.listen: %w", err)
	}
	return listener, nil
}

// listenUnix listens on a socket that only its owner may connect to. A socket
// that a killed agent left is replaced.
func listenUnix(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("api.socket: another program listens on %s already; stop it, or name another socket", path)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("api.socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("api.socket: %s is there already and no socket; name another path", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("api.socket: %w", err)
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("api.socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("api.socket: %w", err), listener.Close())
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // a successor may go on with it
	return listener, nil
}

// duplicate returns a second listener on the same socket.
func duplicate(old net.Listener) (net.Listener, error) {
	var file *os.File
	var err error
	switch l := old.(type) {
	case *net.TCPListener:
		file, err = l.File()
	case *net.UnixListener:
		file, err = l.File()
	default:
		return nil, fmt.Errorf("keep listening on %s: %T cannot be duplicated", old.Addr(), old)
	}
	if err != nil {
		return nil, fmt.Errorf("keep listening on %s: %w", old.Addr(), err)
	}
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("keep listening on %s: %w", old.Addr(), err)
	}
	return listener, nil
}
