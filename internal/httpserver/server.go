// Package httpserver serves HTTP on several listeners, with a limit on
// connections, and stops in a bounded time.
package httpserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxHeaderBytes bounds the header of a request.
const maxHeaderBytes = 16 << 10

// Config is how a Server serves.
type Config struct {
	Handler http.Handler
	// TLS is for the listeners of TCP. Nil: they serve without TLS.
	TLS *tls.Config
	// Time limits for the header of a request, the whole of a request, its
	// answer, and between two requests of a connection.
	HeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// MaxConnections at a time, for each listener. See [limit].
	MaxConnections int
	// ConnContext is that of [http.Server]. It may be nil.
	ConnContext func(ctx context.Context, conn net.Conn) context.Context
	Logger      *slog.Logger
}

// Server serves HTTP on all of its listeners.
type Server struct {
	http      http.Server
	listeners []net.Listener
	serving   sync.WaitGroup
	failed    atomic.Pointer[error] // why a listener is no longer served
	// connections that are open; none begins once serving has ended.
	connections sync.WaitGroup
	ended       chan struct{} // closed after Stop, once no connection is open
	stopping    atomic.Bool
}

// Serve starts to serve on the listeners, which the server owns from then on.
func Serve(config Config, listeners ...net.Listener) *Server {
	s := &Server{
		ended: make(chan struct{}),
		http: http.Server{
			ReadHeaderTimeout: config.HeaderTimeout,
			ReadTimeout:       config.ReadTimeout,
			WriteTimeout:      config.WriteTimeout,
			IdleTimeout:       config.IdleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ConnContext:       config.ConnContext,
			ErrorLog:          slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
		},
	}
	s.http.Handler = s.endingConnections(config.Handler)
	s.http.ConnState = s.connState
	for _, raw := range listeners {
		listener := newLimit(raw, config.MaxConnections, config.Logger)
		s.listeners = append(s.listeners, listener)
		if _, tcp := raw.Addr().(*net.TCPAddr); tcp && config.TLS != nil {
			listener = tls.NewListener(listener, config.TLS)
		}
		s.serving.Go(func() {
			if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				s.failed.Store(&err)
				config.Logger.Error("the HTTP API is no longer served", "address", raw.Addr(), "error", err)
			}
		})
		config.Logger.Info("the HTTP API is served", "address", raw.Addr())
	}
	return s
}

// Check returns nil if all listeners are served and the handler answers a GET of path with
// 200 before ctx ends. It does not open a connection, because a healthy server may have
// none left.
func (s *Server) Check(ctx context.Context, path string) error {
	if err := s.failed.Load(); err != nil {
		return fmt.Errorf("check the HTTP API: it is no longer served: %w", *err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return fmt.Errorf("check the HTTP API: %w", err)
	}
	request.RemoteAddr = "127.0.0.1:0"
	answered := make(chan *answer, 1)
	go func() {
		a := &answer{header: make(http.Header), code: http.StatusOK}
		s.http.Handler.ServeHTTP(a, request)
		answered <- a
	}()
	select {
	case a := <-answered:
		if a.code != http.StatusOK {
			return fmt.Errorf("check the HTTP API: GET %s: %d %s", path, a.code, bytes.TrimSpace(a.body.Bytes()))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("check the HTTP API: GET %s is not answered: %w", path, ctx.Err())
	}
}

// answer is the answer to a request without a connection.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header            { return a.header }
func (a *answer) WriteHeader(code int)           { a.code = code }
func (a *answer) Write(text []byte) (int, error) { return a.body.Write(text) }

// connState counts the connections, and tells the limit which are idle.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connections.Add(1)
	case http.StateActive:
		setIdle(conn, false)
	case http.StateIdle:
		setIdle(conn, true)
	case http.StateClosed, http.StateHijacked:
		s.connections.Done()
	}
}

// endingConnections serves with handler, and asks callers to connect anew once
// the server stops.
func (s *Server) endingConnections(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// Stop accepts no more connections, answers the requests of the open ones within the
// grace, and then closes those that are left. Requests may still run without their
// connection: [Server.Wait] waits for them.
//
// http.Server.Shutdown closes idle connections at once, and connections whose first
// request it has not read yet. The caller of a post that is on its way would not know the
// result. Here the next answer tells the caller that the connection ends.
func (s *Server) Stop(grace time.Duration) error {
	s.stopping.Store(true)
	var wrong []error
	for _, listener := range s.listeners {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			wrong = append(wrong, err)
		}
	}
	s.serving.Wait()
	go func() {
		s.connections.Wait()
		close(s.ended)
	}()
	if s.Wait(grace) == nil {
		return errors.Join(wrong...)
	}
	return errors.Join(append(wrong, s.http.Close())...)
}

// Wait returns after Stop, once all requests have ended, or with an error
// after d.
func (s *Server) Wait(d time.Duration) error {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-s.ended:
		return nil
	case <-timeout.C:
		return fmt.Errorf("stop the HTTP API: requests still ran after %s", d)
	}
}
