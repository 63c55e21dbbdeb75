package stock

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// server serves the HTTP API on all of its listeners.
type server struct {
	http      http.Server
	listeners listeners
	serving   sync.WaitGroup
	// connections that are open; none begins once serving is over.
	connections sync.WaitGroup
	stopping    atomic.Bool
}

// serve starts serving handler. The server owns the listeners. security is for
// those of TCP; nil: without TLS.
func serve(cfg APIConfig, on listeners, security *tls.Config, handler http.Handler, logger *slog.Logger) *server {
	s := &server{
		listeners: on,
		http: http.Server{
			ReadHeaderTimeout: cfg.HeaderTimeout,
			ReadTimeout:       cfg.ReadTimeout,
			WriteTimeout:      cfg.WriteTimeout,
			IdleTimeout:       cfg.IdleTimeout,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
	}
	s.http.Handler = s.endingConnections(handler)
	s.http.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.connections.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.connections.Done()
		}
	}
	for e, listener := range on {
		listener = netutil.LimitListener(listener, cfg.MaxConnections)
		if e.network == "tcp" && security != nil {
			listener = tls.NewListener(listener, security)
		}
		s.serving.Go(func() {
			if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				logger.Error("the HTTP API is not served any more", "address", listener.Addr(), "error", err)
			}
		})
		logger.Info("the HTTP API is served", "address", listener.Addr())
	}
	return s
}

// endingConnections answers by handler, and asks callers to connect anew once
// the server stops.
func (s *server) endingConnections(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// stop accepts no more connections, answers the requests of those that it has
// within the grace, and ends what is left then.
//
// http.Server.Shutdown would hang up at once on idle connections, and on those
// whose first request it has not yet read: the caller of a post that is on its
// way would not know what became of it. Here callers who go on are told with
// an answer that their connection ends.
func (s *server) stop(grace time.Duration) error {
	err := s.listeners.close()
	s.serving.Wait()
	s.stopping.Store(true)
	ended := make(chan struct{})
	go func() {
		s.connections.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return err
	case <-time.After(grace):
	}
	err = errors.Join(err, s.http.Close())
	<-ended // which the end of the requests' contexts and connections brings about
	return err
}

// tlsConfig reads the files for TLS; nil where it is off. A client may show a
// certificate; one that ClientCA has not signed is refused.
func (a APIConfig) tlsConfig() (*tls.Config, error) {
	if a.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(a.TLSCert, a.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("api.tlscert: %w", err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}
	if a.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = readCertificates(a.ClientCA); err != nil {
		return nil, fmt.Errorf("api.clientca: %w", err)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	return config, nil
}

// warnOpen says what is open to whom where not only this host can connect.
func warnOpen(cfg Config, logger *slog.Logger) {
	host, _, err := net.SplitHostPort(cfg.Agent.Listen)
	if ip, parsed := netip.ParseAddr(host); err != nil || host == "localhost" || parsed == nil && ip.IsLoopback() {
		return
	}
	control := "control of it is for callers on this host only"
	switch {
	case cfg.API.TokenFile != "" && cfg.API.ClientCA != "":
		control = "control of it takes the token of api.tokenfile or a certificate of api.clientca"
	case cfg.API.TokenFile != "":
		control = "control of it takes the token of api.tokenfile"
	case cfg.API.ClientCA != "":
		control = "control of it takes a certificate of api.clientca"
	}
	logger.Warn("the HTTP API is open to other hosts: whoever reaches this address can read the agent's status and post metrics; "+
		control+"; set agent.listen to 127.0.0.1:1232 to close it", "address", cfg.Agent.Listen)
}
