package httpregistry_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/httpregistry"
	"github.com/lodastack/agent/internal/registrytest"
)

func TestAssignmentsReturnsWhenItsContextEnds(t *testing.T) {
	server, registry := start(t, nil)
	for i := range 50 {
		name := fmt.Sprintf("ns%d", i)
		server.SetNamespace(name, "id")
		server.SetItemsFault(name, registrytest.Hang())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	assignments, err := registry.Assignments(ctx, host())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 5*time.Second)
	require.Empty(t, assignments)
	var partial *agent.PartialError
	require.ErrorAs(t, err, &partial)
	require.Len(t, partial.Namespaces, 50)
}

func TestEndlessAnswerIsReadNoFurtherThanItsBound(t *testing.T) {
	server, registry := start(t, nil)
	server.SetFault(registrytest.Huge(1 << 40))
	_, err := registry.Assignments(t.Context(), host())
	require.ErrorContains(t, err, "larger than 16 MiB")
}

func TestNoConnectionStaysOpenBetweenRounds(t *testing.T) {
	server, _ := start(t, nil)
	for i := range 20 {
		server.SetNamespace(fmt.Sprintf("ns%d", i), "id")
	}
	var opened, open atomic.Int32
	counted := httptest.NewUnstartedServer(server)
	counted.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	counted.Start()
	defer counted.Close()
	registry, err := httpregistry.New(httpregistry.Config{URL: counted.URL})
	require.NoError(t, err)

	_, err = registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.LessOrEqual(t, opened.Load(), int32(5), "21 requests share a few connections")
	require.NoError(t, registry.Report(t.Context(), agent.Report{Host: host()}))
	require.Eventually(t, func() bool { return open.Load() == 0 }, 5*time.Second, time.Millisecond)
}

func TestSlowRegistryIsWaitedFor(t *testing.T) {
	server, registry := start(t, nil)
	server.SetNamespace("web", "id")
	server.SetFault(registrytest.Slow(50 * time.Millisecond))
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, namespaces(assignments))
}

func TestNoMoreThanFourNamespacesAreAskedForAtOnce(t *testing.T) {
	server, registry := start(t, func(cfg *httpregistry.Config) {
		cfg.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	})
	var running, peak atomic.Int32
	server.SetFault(func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := running.Add(1)
			defer running.Add(-1)
			for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			}
			registrytest.Slow(10*time.Millisecond)(good).ServeHTTP(w, r)
		})
	})
	for i := range 20 {
		server.SetNamespace(fmt.Sprintf("ns%d", i), "id")
	}
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Len(t, assignments, 20)
	require.LessOrEqual(t, peak.Load(), int32(4))
	require.Greater(t, peak.Load(), int32(1))
}

func TestRegistryThatIsAwayIsAnErrorThatSaysSo(t *testing.T) {
	server, registry := start(t, nil)
	server.Close()
	_, err := registry.Assignments(t.Context(), host())
	require.ErrorContains(t, err, "no answer: ")
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, server.URL())
	require.ErrorContains(t, registry.Report(t.Context(), agent.Report{Host: host()}), "connection refused")
}

func TestBaseAddressMayHaveAPath(t *testing.T) {
	for _, path := range []string{"", "/", "/loda/registry", "/loda/registry/"} {
		server, _ := start(t, nil)
		server.SetNamespace("web", "id")
		proxy := httptest.NewServer(http.StripPrefix("/loda/registry", server))
		if path == "" || path == "/" {
			proxy.Config.Handler = server
		}
		defer proxy.Close()
		registry, err := httpregistry.New(httpregistry.Config{URL: proxy.URL + path})
		require.NoError(t, err)
		assignments, err := registry.Assignments(t.Context(), host())
		require.NoError(t, err, path)
		require.Equal(t, []string{"web"}, namespaces(assignments))
		require.NoError(t, registry.Report(t.Context(), agent.Report{Host: host()}))
		require.Len(t, server.Reports(), 1)
	}
}

func TestRegistryWithTLSIsVerified(t *testing.T) {
	server, _ := start(t, nil)
	server.SetNamespace("web", "id")
	secure := httptest.NewUnstartedServer(server)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()

	stranger, err := httpregistry.New(httpregistry.Config{URL: secure.URL})
	require.NoError(t, err)
	_, err = stranger.Assignments(t.Context(), host())
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)

	friend, err := httpregistry.New(httpregistry.Config{URL: secure.URL, HTTPClient: secure.Client()})
	require.NoError(t, err)
	assignments, err := friend.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, namespaces(assignments))

	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	named, err := httpregistry.New(httpregistry.Config{URL: secure.URL, RootCAs: roots})
	require.NoError(t, err)
	_, err = named.Assignments(t.Context(), host())
	require.NoError(t, err)

	server.SetFault(registrytest.Redirect(http.StatusTemporaryRedirect, server.URL()))
	_, err = friend.Assignments(t.Context(), host())
	require.ErrorContains(t, err, "not encrypted")
}

func TestRedirectThatKeepsTheRequestIsFollowed(t *testing.T) {
	target, _ := start(t, nil)
	target.SetNamespace("web", "id")
	server, registry := start(t, nil)

	server.SetFault(registrytest.Redirect(http.StatusPermanentRedirect, target.URL()))
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, namespaces(assignments))

	server.SetFault(registrytest.Redirect(http.StatusMovedPermanently, target.URL()))
	_, err = registry.Assignments(t.Context(), host())
	require.ErrorContains(t, err, "use that address as the registry's")
	require.ErrorContains(t, err, target.URL())
}

func TestEachRequestIsLoggedAtDebugLevel(t *testing.T) {
	var lines bytes.Buffer
	server, registry := start(t, func(cfg *httpregistry.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Contains(t, lines.String(), `msg="registry asked" request="POST `+server.URL()+`/api/v1/agent/ns" took=`)
}

func TestNewRefusesAddressesThatAreNoRegistry(t *testing.T) {
	for _, address := range []string{
		"", "registry.test.com", "registry.test.com:80", "ftp://registry.test.com", "http://", "https:///x", "http://:80",
		"http://h/?x=1", "http://h/#x", "http://[::1", "http://user:hunter2@[::1", "http://user:hunter2@h/?x", "http://h:port",
	} {
		_, err := httpregistry.New(httpregistry.Config{URL: address})
		require.ErrorContains(t, err, "the registry's address", address)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := httpregistry.New(httpregistry.Config{URL: "http://h", Timeout: -1})
	require.ErrorContains(t, err, "negative")
}

func TestErrorsDoNotRepeatThePassword(t *testing.T) {
	registry, err := httpregistry.New(httpregistry.Config{URL: "http://user:hunter2@127.0.0.1:1"})
	require.NoError(t, err)
	_, err = registry.Assignments(t.Context(), host())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
