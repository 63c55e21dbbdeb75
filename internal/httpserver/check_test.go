package httpserver_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/httpserver"
)

func TestCheckSaysWhetherTheServerAnswers(t *testing.T) {
	hang := make(chan struct{})
	handler := http.NewServeMux()
	handler.HandleFunc("/good", func(http.ResponseWriter, *http.Request) {})
	handler.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no schedule", http.StatusServiceUnavailable)
	})
	handler.HandleFunc("/hung", func(http.ResponseWriter, *http.Request) { <-hang })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := httpserver.Serve(httpserver.Config{Handler: handler, MaxConnections: 10, Logger: slog.New(slog.DiscardHandler)}, listener)
	require.NoError(t, server.Check(t.Context(), "/good"))
	require.EqualError(t, server.Check(t.Context(), "/bad"), "check the HTTP API: GET /bad: 503 no schedule")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, server.Check(ctx, "/hung"), "GET /hung is not answered")
	close(hang)
	require.NoError(t, server.Stop(time.Second))
}

// broken is a listener that fails.
type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, net.UnknownNetworkError("broken") }

func TestCheckFailsOnceAListenerIsNoLongerServed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := httpserver.Serve(httpserver.Config{Handler: http.NotFoundHandler(), MaxConnections: 10, Logger: slog.New(slog.DiscardHandler)}, broken{listener})
	require.Eventually(t, func() bool {
		err := server.Check(t.Context(), "/")
		return err != nil && err.Error() == "check the HTTP API: it is no longer served: unknown network broken"
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, server.Stop(time.Second))
}
