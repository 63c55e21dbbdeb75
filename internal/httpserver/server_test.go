package httpserver_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/httpserver"
)

// serve serves handler on loopback until the test ends.
func serve(t *testing.T, most int, handler http.HandlerFunc) (server *httpserver.Server, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server = httpserver.Serve(httpserver.Config{
		Handler: handler, MaxConnections: most, Logger: slog.New(slog.DiscardHandler),
		HeaderTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
	}, listener)
	return server, listener.Addr().String()
}

func ok(http.ResponseWriter, *http.Request) {}

// caller is a connection of a client.
type caller struct {
	net.Conn
	reader *bufio.Reader
}

// dial connects from a loopback address.
func dial(t *testing.T, from, address string) *caller {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &caller{conn, bufio.NewReader(conn)}
}

// ask sends a request and reads its answer.
func (c *caller) ask() (*http.Response, error) {
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response, err
}

func TestStopIsBoundedWhileTheLimitIsReachedAndClientsGoOn(t *testing.T) {
	for _, c := range []struct {
		name  string
		pause time.Duration
	}{{"clients that keep their connections", time.Hour}, {"clients that ask without end", 0}} {
		t.Run(c.name, func(t *testing.T) {
			server, address := serve(t, 2, ok)
			var clients sync.WaitGroup
			stop := make(chan struct{})
			for range 2 {
				conn := dial(t, "127.0.0.1", address)
				_, err := conn.ask()
				require.NoError(t, err)
				clients.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(c.pause):
						}
						if response, err := conn.ask(); err != nil || response.Close {
							return
						}
					}
				})
			}
			began := time.Now()
			require.NoError(t, server.Stop(200*time.Millisecond))
			require.NoError(t, server.Wait(5*time.Second))
			require.Less(t, time.Since(began), 3*time.Second)
			close(stop)
			clients.Wait()
		})
	}
}

func TestCallersWhoGoOnAreToldThatTheirConnectionEnds(t *testing.T) {
	server, address := serve(t, 1, ok)
	conn := dial(t, "127.0.0.1", address)
	_, err := conn.ask()
	require.NoError(t, err)
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop(10 * time.Second) }()
	require.Eventually(t, func() bool {
		response, err := conn.ask()
		require.NoError(t, err)
		return response.Close
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, <-stopped)
	require.NoError(t, server.Wait(5*time.Second))
}

func TestRequestThatDoesNotEndDoesNotHoldTheStop(t *testing.T) {
	hold := make(chan struct{})
	reached := make(chan struct{})
	server, address := serve(t, 1, func(http.ResponseWriter, *http.Request) { close(reached); <-hold })
	conn := dial(t, "127.0.0.1", address)
	_, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	<-reached
	require.NoError(t, server.Stop(10*time.Millisecond))
	require.ErrorContains(t, server.Wait(10*time.Millisecond), "requests still ran")
	close(hold)
	require.NoError(t, server.Wait(5*time.Second))
}

func TestIdleConnectionsMakeRoom(t *testing.T) {
	for _, asked := range []bool{true, false} {
		t.Run(fmt.Sprintf("that have asked before: %t", asked), func(t *testing.T) {
			server, address := serve(t, 8, ok)
			for i := range 20 {
				conn := dial(t, fmt.Sprintf("127.0.0.%d", 1+i%2), address)
				if asked {
					_, err := conn.ask()
					require.NoError(t, err)
				}
			}
			response, err := dial(t, "127.0.0.3", address).ask()
			require.NoError(t, err)
			require.Equal(t, 200, response.StatusCode)
			require.NoError(t, server.Stop(time.Millisecond))
			require.NoError(t, server.Wait(5*time.Second))
		})
	}
}

func TestOneAddressHoldsOnlyAShareOfTheConnections(t *testing.T) {
	hold := make(chan struct{})
	reached := make(chan struct{}, 6) // three quarters
	server, address := serve(t, 8, func(_ http.ResponseWriter, r *http.Request) {
		if host, _, _ := net.SplitHostPort(r.RemoteAddr); host == "127.0.0.1" {
			reached <- struct{}{}
			<-hold
		}
	})
	for range cap(reached) {
		_, err := fmt.Fprint(dial(t, "127.0.0.1", address), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		<-reached
	}
	require.Eventually(t, func() bool { // the server notes soon after the handler is called that a connection is in use
		_, err := dial(t, "127.0.0.1", address).ask()
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	}, 10*time.Second, time.Millisecond, "a seventh one is refused")
	for range 10 {
		_, err := dial(t, "127.0.0.2", address).ask()
		require.NoError(t, err, "another address is served")
	}
	close(hold)
	require.NoError(t, server.Stop(time.Millisecond))
	require.NoError(t, server.Wait(5*time.Second))
}

func TestConnectionThatIsIdleForLongestMakesRoom(t *testing.T) {
	server, address := serve(t, 2, ok)
	first, second := dial(t, "127.0.0.1", address), dial(t, "127.0.0.2", address)
	for i, conn := range []*caller{first, second, first} {
		_, err := conn.ask()
		require.NoError(t, err)
		// A client can have its answer before the server is done with the request.
		require.Eventually(t, func() bool { return server.Idle() >= min(i+1, 2) }, 5*time.Second, time.Millisecond)
	}
	_, err := dial(t, "127.0.0.3", address).ask()
	require.NoError(t, err)
	_, err = first.ask()
	require.NoError(t, err)
	_, err = second.ask()
	require.Error(t, err)
	require.NoError(t, server.Stop(time.Millisecond))
	require.NoError(t, server.Wait(5*time.Second))
}

func TestStopIsBoundedWhileAConnectionWaitsForRoom(t *testing.T) {
	hold := make(chan struct{})
	reached := make(chan struct{}, 3)
	server, address := serve(t, 2, func(http.ResponseWriter, *http.Request) { reached <- struct{}{}; <-hold })
	for i := range 2 {
		_, err := fmt.Fprint(dial(t, fmt.Sprintf("127.0.0.%d", i+1), address), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		<-reached
	}
	for range 3 { // one may wait within the limit, the others in the socket
		dial(t, "127.0.0.3", address)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop(10 * time.Millisecond) }()
	select {
	case err := <-stopped:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Error("the stop hangs")
	}
	close(hold)
	require.NoError(t, server.Wait(5*time.Second))
}

func TestFurtherConnectionWaitsWhileNoneIsIdle(t *testing.T) {
	hold := make(chan struct{})
	reached := make(chan struct{}, 4)
	server, address := serve(t, 2, func(http.ResponseWriter, *http.Request) { reached <- struct{}{}; <-hold })
	answered := make(chan error, 3)
	for i := range 3 {
		conn := dial(t, fmt.Sprintf("127.0.0.%d", i+1), address)
		go func() {
			_, err := conn.ask()
			answered <- err
		}()
		if i < 2 {
			<-reached
		}
	}
	require.Empty(t, reached)
	close(hold)
	for range 3 {
		require.NoError(t, <-answered)
	}
	require.NoError(t, server.Stop(time.Millisecond))
	require.NoError(t, server.Wait(5*time.Second))
}
