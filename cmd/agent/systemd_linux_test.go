package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// systemd is a socket that receives what a service tells systemd.
type systemd struct {
	path     string
	messages chan string
}

func newSystemd(t *testing.T) *systemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &systemd{path: filepath.Join(dir, "notify"), messages: make(chan string, 1000)}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				close(s.messages)
				return
			}
			s.messages <- string(buffer[:n])
		}
	}()
	return s
}

// wait returns the next message with this text, and all before it.
func (s *systemd) wait(t *testing.T, text string) (message string, before []string) {
	t.Helper()
	timeout := time.After(15 * time.Second)
	for {
		select {
		case m := <-s.messages:
			if strings.Contains(m, text) {
				return m, before
			}
			before = append(before, m)
		case <-timeout:
			t.Fatalf("systemd was not told %s, but only %q", text, before)
		}
	}
}

// startUnder starts the agent as a service of this systemd.
func (h *host) startUnder(t *testing.T, s *systemd, more ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: agentCommand(t, "start", "-f", h.config), stderr: new(bytes.Buffer), ended: make(chan struct{})}
	d.cmd.Env = append(append(d.cmd.Env, "NOTIFY_SOCKET="+s.path), more...)
	d.cmd.Stderr = d.stderr
	require.NoError(t, d.cmd.Start())
	go func() {
		d.cmd.Wait() // the test looks at ProcessState
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill() // if it has not ended yet
		<-d.ended
	})
	return d
}

func TestSystemdIsToldOfStartReloadAndStop(t *testing.T) {
	h := newHost(t)
	s := newSystemd(t)
	d := h.startUnder(t, s)
	_, before := s.wait(t, "READY=1")
	require.Contains(t, before[0], "EXTEND_TIMEOUT_USEC=")
	conn, err := net.Dial("tcp", h.listen)
	require.NoError(t, err, "ready means that the API listens")
	conn.Close()
	s.wait(t, "STATUS=") // what it does

	h.configure(t, "output.buffersize = 2000\n")
	require.Equal(t, 0, execute(t, "reload", "-f", h.config).code)
	reloading, _ := s.wait(t, "RELOADING=1")
	require.Regexp(t, `\nMONOTONIC_USEC=\d{6,}\n`, reloading)
	ready, _ := s.wait(t, "READY=1")
	require.Regexp(t, `STATUS=.*[Cc]ollects for`, ready)

	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	s.wait(t, "STOPPING=1")
	require.Equal(t, 0, d.exitCode(t), d.stderr)
}

func TestReadyIsNotSaidWhereTheAddressIsTaken(t *testing.T) {
	h := newHost(t)
	other, err := net.Listen("tcp", h.listen)
	require.NoError(t, err)
	defer other.Close()
	s := newSystemd(t)
	d := h.startUnder(t, s)
	require.Equal(t, exitFailed, d.exitCode(t))
	require.Contains(t, d.stderr.String(), "another program listens on "+h.listen)
	for len(s.messages) > 0 {
		require.NotContains(t, <-s.messages, "READY=1")
	}
}

func TestWatchdogIsFedWhileTheAgentWorks(t *testing.T) {
	h := newHost(t)
	s := newSystemd(t)
	d := h.startUnder(t, s, "WATCHDOG_USEC=600000")
	s.wait(t, "READY=1")
	for range 3 {
		message, _ := s.wait(t, "WATCHDOG=1")
		require.Contains(t, message, "STATUS=")
	}
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	s.wait(t, "STOPPING=1")
	require.Equal(t, 0, d.exitCode(t))
}

func TestWatchdogOfAnotherProcessIsNotFed(t *testing.T) {
	h := newHost(t)
	s := newSystemd(t)
	d := h.startUnder(t, s, "WATCHDOG_USEC=200000", "WATCHDOG_PID=1")
	s.wait(t, "READY=1")
	s.wait(t, "STATUS=")
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	_, before := s.wait(t, "STOPPING=1")
	require.NotContains(t, fmt.Sprint(before), "WATCHDOG=1")
	require.Equal(t, 0, d.exitCode(t))
}

func TestAReloadThatFailsIsSaidAndLeavesTheRunningConfigInForce(t *testing.T) {
	h := newHost(t)
	s := newSystemd(t)
	h.startUnder(t, s)
	s.wait(t, "READY=1")

	h.configure(t, "output.format = \"xml\"\n")
	r := execute(t, "reload", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "output.format")

	// A fault that no reading of the config finds: an address that is taken.
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	was := h.listen
	h.listen = other.Addr().String()
	h.configure(t, "")
	r = execute(t, "reload", "-f", h.config)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "has not reloaded the config: agent.listen: another program listens on "+h.listen)
	s.wait(t, "RELOADING=1")
	message, _ := s.wait(t, "READY=1")
	require.Contains(t, message, "the config is not reloaded: agent.listen: another program listens")

	h.listen = was
	h.configure(t, "")
	r = execute(t, "reload", "-f", h.config)
	require.Equal(t, 0, r.code, r.stderr)
	require.Equal(t, 0, execute(t, "stop", "-f", h.config).code)
}

// listenFor passes listeners to the agent as systemd does: as descriptors from 3
// on. A shell sets LISTEN_PID, which is the agent's own number.
func (h *host) listenFor(t *testing.T, name string, files ...*os.File) *daemon {
	t.Helper()
	s := newSystemd(t)
	d := &daemon{cmd: agentCommand(t, "start", "-f", h.config), stderr: new(bytes.Buffer), ended: make(chan struct{})}
	agent := d.cmd.Args
	d.cmd.Path = "/bin/sh"
	d.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, agent...)
	names := strings.TrimSuffix(strings.Repeat(name+":", len(files)), ":")
	d.cmd.Env = append(d.cmd.Env, "NOTIFY_SOCKET="+s.path, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	d.cmd.ExtraFiles = files
	d.cmd.Stderr = d.stderr
	require.NoError(t, d.cmd.Start())
	go func() {
		d.cmd.Wait() // the test looks at ProcessState
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill() // if it has not ended yet
		<-d.ended
	})
	return d
}

func TestTheAgentTakesTheSocketsOfSystemd(t *testing.T) {
	h := newHost(t)
	dir, err := os.MkdirTemp("", "sd")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "api.sock")
	h.configure(t, fmt.Sprintf("api.socket = %q\n", path))
	tcp, err := net.Listen("tcp", h.listen)
	require.NoError(t, err)
	defer tcp.Close()
	unix, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer unix.Close()
	tcpFile, err := tcp.(*net.TCPListener).File()
	require.NoError(t, err)
	defer tcpFile.Close()
	unixFile, err := unix.(*net.UnixListener).File()
	require.NoError(t, err)
	defer unixFile.Close()

	d := h.listenFor(t, "api", tcpFile, unixFile)
	require.Eventually(t, func() bool { return execute(t, "status", "-f", h.config).code == 0 }, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, 0, execute(t, "reload", "-f", h.config).code)
	require.Equal(t, 0, execute(t, "stop", "-f", h.config).code)
	require.Equal(t, 0, d.exitCode(t), d.stderr)
	require.FileExists(t, path, "the file is systemd's")

	d = h.listenFor(t, "other", tcpFile)
	require.Equal(t, 1, d.exitCode(t))
	require.Contains(t, d.stderr.String(), `systemd passes a socket named "other"`)

	h.configure(t, "")
	h.listen = "127.0.0.1:1"
	h.configure(t, "")
	d = h.listenFor(t, "api", tcpFile)
	require.Equal(t, 1, d.exitCode(t))
	require.Contains(t, d.stderr.String(), "agent.listen: the program got a socket that listens on "+tcp.Addr().String())
}
