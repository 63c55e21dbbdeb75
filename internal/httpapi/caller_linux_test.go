package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// callerMode is the variable that makes the test program a caller of the API, a
// process of its own, as another user if the test says so. It says how.
const callerMode = "HTTPAPI_TEST_CALLER"

// nobody is a user that the tests take for that of plugins.
const nobody = 65534

// exitAtOnce is for a process that the race detector watches: it sleeps for a second
// when it exits.
const exitAtOnce = "GORACE=atexit_sleep_ms=0"

// requireRoot skips a test that needs processes of several users.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start processes of another user")
	}
}

// caller prepares a process that calls the API as a user. What it writes to its
// standard output is the answer, as it came.
func caller(ctx context.Context, uid uint32, mode, network, address, request string) (*exec.Cmd, *bytes.Buffer) {
	command := exec.CommandContext(ctx, "/proc/self/exe", network, address)
	command.Env = []string{callerMode + "=" + mode, exitAtOnce}
	command.Stdin = strings.NewReader(request)
	answer := new(bytes.Buffer)
	command.Stdout, command.Stderr = answer, answer
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, NoSetGroups: true}}
	return command, answer
}

// callAs calls the API as a user and returns all that is answered.
func callAs(t *testing.T, uid uint32, mode, network, address, request string) string {
	t.Helper()
	command, answer := caller(t.Context(), uid, mode, network, address, request)
	require.NoError(t, command.Run(), answer)
	return answer.String()
}

// beCaller is the process of a caller.
func beCaller(mode string) int {
	network, address := os.Args[1], os.Args[2]
	request, err := io.ReadAll(os.Stdin)
	if err == nil {
		switch mode {
		case "storm":
			err = storm(network, address, request)
		case "relay":
			err = relay(network, address)
		case "leave", "reset":
			err = leave(mode, network, address, request)
		case "lend":
			err = lend(network, address, request)
		case "borrow":
			err = borrow(request)
		default:
			err = call(mode, network, address, request)
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// connect makes the connection in the way of a mode.
func connect(mode, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	switch mode {
	case "mapped": // an IPv6 socket for an IPv4 connection
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet6{Port: int(to.Port()), Addr: netip.AddrFrom16(to.Addr().As16()).As16()}); err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(fd), "socket")
		defer file.Close()
		return net.FileConn(file)
	case "device": // a socket that is bound to the device lo
		dialer.Control = func(_, _ string, c syscall.RawConn) (err error) {
			failed := c.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo") })
			if failed != nil {
				return failed
			}
			return err
		}
	}
	return dialer.Dial(network, address)
}

// call sends the request and prints what comes.
func call(mode, network, address string, request []byte) error {
	conn, err := connect(mode, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return exchange(conn, request)
}

func exchange(conn net.Conn, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(os.Stdout, conn)
	return err
}

// storm sends the request over a thousand connections at once, and prints the
// status lines.
func storm(network, address string, request []byte) error {
	const connections = 1000
	lines, failures := make(chan string, connections), make(chan error, connections)
	ready := make(chan struct{})
	var calls sync.WaitGroup
	for range connections {
		calls.Go(func() {
			conn, err := net.Dial(network, address)
			if err != nil {
				failures <- err
				return
			}
			defer conn.Close()
			<-ready
			if _, err := conn.Write(request); err != nil {
				failures <- err
				return
			}
			answer, err := io.ReadAll(conn)
			if err != nil {
				failures <- err
				return
			}
			line, _, _ := strings.Cut(string(answer), "\r\n")
			lines <- line
		})
	}
	close(ready)
	calls.Wait()
	close(lines)
	for line := range lines {
		fmt.Println(line)
	}
	if len(failures) > 0 {
		return <-failures
	}
	return nil
}

// leave sends the request and hangs up before it can have been answered: with all
// that was sent, or by a reset.
func leave(mode, network, address string, request []byte) error {
	for range 200 {
		conn, err := net.Dial(network, address)
		if err != nil {
			return err
		}
		if mode == "reset" {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}

// relay listens, prints where, and relays one connection to the API.
func relay(network, address string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println(listener.Addr())
	in, err := listener.Accept()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.(interface{ CloseWrite() error }).CloseWrite()
	}()
	_, err = io.Copy(in, out)
	return err
}

// lend connects, and lets a process that it starts make the request.
func lend(network, address string, request []byte) error {
	conn, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	file, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return err
	}
	defer file.Close()
	child := exec.Command("/proc/self/exe", network, address)
	child.Env = []string{callerMode + "=borrow", exitAtOnce}
	child.Stdin, child.Stdout, child.Stderr = bytes.NewReader(request), os.Stdout, os.Stderr
	child.ExtraFiles = []*os.File{file}
	return child.Run()
}

// borrow makes the request over the connection that it has inherited.
func borrow(request []byte) error {
	file := os.NewFile(3, "socket")
	conn, err := net.FileConn(file)
	if err != nil {
		return err
	}
	defer conn.Close()
	return exchange(conn, request)
}
