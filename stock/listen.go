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

// adopt returns the listeners that the program had already, by their endpoints in the
// config.
func adopt(cfg Config, passed []net.Listener) (listeners, error) {
	adopted := listeners{}
	for _, listener := range passed {
		e, err := passedEndpoint(cfg, listener.Addr())
		if err == nil && adopted[e] != nil {
			err = fmt.Errorf("the program got two sockets to listen on at %s: one is enough", e.address)
		}
		if err != nil {
			return nil, err
		}
		adopted[e] = listener
	}
	return adopted, nil
}

// passedEndpoint returns the endpoint of the config for a socket. The two must be the same,
// or `agent status` would ask at another address.
func passedEndpoint(cfg Config, address net.Addr) (endpoint, error) {
	switch a := address.(type) {
	case *net.TCPAddr:
		wanted, err := net.ResolveTCPAddr("tcp", cfg.Agent.Listen)
		same := err == nil && wanted.Port == a.Port && (wanted.IP.Equal(a.IP) || len(wanted.IP) == 0 && a.IP.IsUnspecified() || wanted.IP.IsUnspecified() && a.IP.IsUnspecified())
		if !same {
			return endpoint{}, fmt.Errorf("agent.listen: the program got a socket that listens on %s, and the config says %s; write the same address in both (ListenStream= of the socket unit)", a, cfg.Agent.Listen)
		}
		return endpoint{"tcp", cfg.Agent.Listen}, nil
	case *net.UnixAddr:
		if a.Name != cfg.API.Socket {
			return endpoint{}, fmt.Errorf("api.socket: the program got a socket that listens on %s, and the config says %q; write the same path in both (ListenStream= of the socket unit)", a, cfg.API.Socket)
		}
		return endpoint{"unix", cfg.API.Socket}, nil
	}
	return endpoint{}, fmt.Errorf("the program got a socket of the network %s to listen on: only tcp and unix are supported", address.Network())
}

// listen opens the sockets of the config. It duplicates those that one of the inherited
// listeners has already: connections that come in while one server replaces another wait
// in the socket, and none is refused.
func listen(cfg Config, inherited ...listeners) (listeners, error) {
	opened := listeners{}
	for _, e := range endpoints(cfg) {
		var err error
		if old := find(e, inherited); old != nil {
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

// find returns the listener of the endpoint that one of the lists has, or nil.
func find(e endpoint, lists []listeners) net.Listener {
	for _, list := range lists {
		if listener := list[e]; listener != nil {
			return listener
		}
	}
	return nil
}

func (l listeners) close() error {
	var wrong []error
	for _, listener := range l {
		wrong = append(wrong, ignoreClosed(listener.Close()))
	}
	return errors.Join(wrong...)
}

// ignoreClosed returns err, unless it means that something is closed already.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// removeFiles removes the files of unix sockets that the others do not have.
func (l listeners) removeFiles(others ...listeners) {
	for e := range l {
		if e.network == "unix" && find(e, others) == nil {
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

// listenUnix listens on a socket that only its owner may connect to. It replaces a socket
// that a killed agent left.
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
		return nil, fmt.Errorf("api.socket: %s exists already and is not a socket; name another path", path)
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
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // a successor may continue with it
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
