package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// firstDescriptor is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstDescriptor = 3

// Listener is a socket that systemd listens on for this program.
type Listener struct {
	// Name is that of FileDescriptorName= in the socket unit. Without one it is
	// the unit's own, such as agent.socket.
	Name string
	net.Listener
}

// Listeners returns the sockets that systemd has passed to this program, and removes
// their variables from the environment. It is called once. The caller closes the sockets;
// systemd itself keeps listening.
func Listeners() (all []Listener, err error) {
	count, names := take("LISTEN_FDS"), strings.Split(take("LISTEN_FDNAMES"), ":")
	if pid := take("LISTEN_PID"); pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // meant for another process, or for none
	}
	passed, err := strconv.Atoi(count)
	if err != nil || passed < 0 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number of sockets", count)
	}
	for i := range passed {
		name := "unknown"
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		listener, failure := listen(firstDescriptor+i, name)
		if failure != nil {
			err = errors.Join(err, failure)
			continue
		}
		all = append(all, Listener{Name: name, Listener: listener})
	}
	if err != nil {
		for _, listener := range all {
			err = errors.Join(err, listener.Close())
		}
		return nil, err
	}
	return all, nil
}

// listen returns a listener on the descriptor, which it closes: children must
// not inherit it.
func listen(descriptor int, name string) (net.Listener, error) {
	file := os.NewFile(uintptr(descriptor), name)
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the socket %s of systemd cannot be listened on: %w; it must be one of ListenStream=, with Accept=no", name, err)
	}
	if socket, ok := listener.(*net.UnixListener); ok {
		socket.SetUnlinkOnClose(false) // it is systemd's
	}
	return listener, nil
}
