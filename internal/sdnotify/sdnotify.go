// Package sdnotify speaks with systemd as a service does. It reports the state of the
// service, reads the interval of the watchdog, and takes the sockets that systemd listens
// on for it. It follows sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).
package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Messages of sd_notify(3).
const (
	// Ready says that the start, or a reload, has ended.
	Ready = "READY=1"
	// Stopping says that the service stops.
	Stopping = "STOPPING=1"
	// Watchdog says that the service is alive.
	Watchdog = "WATCHDOG=1"
)

// sendTimeout is how long a message may wait for room in systemd's queue. A
// service must not hang because systemd does.
const sendTimeout = time.Second

// Manager is the systemd that has started this program. A nil Manager means that there is
// none: its methods do nothing. They are safe for concurrent use.
type Manager struct {
	socket  *net.UnixConn // nil: systemd does not listen
	timeout time.Duration // of the watchdog
}

// FromEnvironment returns the systemd that the environment names, or nil if it names
// none. It removes systemd's variables from the environment, because they are not meant
// for the children of this program.
func FromEnvironment() (*Manager, error) {
	path := take("NOTIFY_SOCKET")
	timeout := take("WATCHDOG_USEC")
	if pid := take("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		timeout = "" // meant for another process
	}
	if path == "" {
		return nil, nil
	}
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("connect to systemd, as NOTIFY_SOCKET asks: %w", err)
	}
	m := &Manager{socket: socket}
	if timeout == "" {
		return m, nil
	}
	microseconds, err := strconv.ParseInt(timeout, 10, 64)
	if err != nil || microseconds <= 0 {
		return nil, errors.Join(fmt.Errorf("WATCHDOG_USEC=%q is not a positive number of microseconds", timeout), m.Close())
	}
	m.timeout = time.Duration(microseconds) * time.Microsecond
	return m, nil
}

// take returns a variable and removes it from the environment.
func take(variable string) string {
	value := os.Getenv(variable)
	_ = os.Unsetenv(variable) // fails for names that cannot be
	return value
}

// WatchdogTimeout is how long systemd waits for the next [Watchdog] before it
// kills the service. Zero: there is no watchdog.
func (m *Manager) WatchdogTimeout() time.Duration {
	if m == nil {
		return 0
	}
	return m.timeout
}

// Notify sends the messages together, within a second.
func (m *Manager) Notify(messages ...string) error {
	if m == nil {
		return nil
	}
	_ = m.socket.SetWriteDeadline(time.Now().Add(sendTimeout)) // an open socket takes it
	if _, err := m.socket.Write([]byte(strings.Join(messages, "\n"))); err != nil {
		return fmt.Errorf("tell systemd %s: %w", messages[0], err)
	}
	return nil
}

// Close ends the conversation.
func (m *Manager) Close() error {
	if m == nil {
		return nil
	}
	return m.socket.Close()
}

// maxStatus bounds the status text: systemd refuses messages above 4 KiB
// (NOTIFY_BUFFER_MAX), and prints the text in one line.
const maxStatus = 500

// Status says in a sentence what the service does.
func Status(sentence string) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(sentence, "?")), " ")
	if len(line) > maxStatus {
		line = strings.ToValidUTF8(line[:maxStatus], "") + "…"
	}
	return "STATUS=" + line
}

// ExtendTimeout asks for more time to start or to stop.
func ExtendTimeout(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds())
}
