package stock

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// server serves the HTTP API on all of its listeners.
type server struct {
	http      http.Server
	listeners listeners
	serving   sync.WaitGroup
}

// serve starts serving handler. The server owns the listeners.
func serve(cfg APIConfig, on listeners, handler http.Handler, logger *slog.Logger) *server {
	s := &server{
		listeners: on,
		http: http.Server{
			Handler:           handler,
			ReadHeaderTimeout: cfg.HeaderTimeout,
			ReadTimeout:       cfg.ReadTimeout,
			WriteTimeout:      cfg.WriteTimeout,
			IdleTimeout:       cfg.IdleTimeout,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
	}
	for _, listener := range on {
		s.serving.Go(func() {
			if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				logger.Error("the HTTP API is not served any more", "address", listener.Addr(), "error", err)
			}
		})
		logger.Info("the HTTP API is served", "address", listener.Addr())
	}
	return s
}

// stop takes no more requests, gives those under way the time, and ends what
// is left then.
func (s *server) stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.serving.Wait()
}
