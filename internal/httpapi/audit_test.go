package httpapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/httpapi"
)

// auditLog keeps the lines of an audit log.
type auditLog struct {
	mu     sync.Mutex
	writes [][]byte
}

func (l *auditLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, bytes.Clone(line))
	return len(line), nil
}

// take returns the lines since the last call. Each was one write.
func (l *auditLog) take(t *testing.T) []map[string]string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]string
	for _, write := range l.writes {
		require.Equal(t, 1, bytes.Count(write, []byte("\n")), "%s", write)
		var line map[string]string
		require.NoError(t, json.Unmarshal(write, &line), "%s", write)
		at, err := time.Parse(time.RFC3339, line["time"])
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Minute)
		delete(line, "time")
		lines = append(lines, line)
	}
	l.writes = nil
	return lines
}

func TestEachControlCallAndEachRefusalIsALineOfTheAuditLog(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log), agent.WithControlToken(func() string { return "s3cret" }))
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	loopback := func(r *http.Request) { r.RemoteAddr = "127.0.0.1:999" }
	subject := &x509.Certificate{Subject: pkix.Name{CommonName: "ops", Organization: []string{"Acme"}}}
	for _, c := range []struct {
		name, path string
		change     func(*http.Request)
		who, from  string
		result     string // its beginning
	}{
		{"loopback", "/update", loopback, "loopback", "127.0.0.1:999", "200 OK"},
		{"token", "/plugins/run?ns=ns.one&repo=acme/backup&param=-a%20%22b", bearer("s3cret"), "token", "192.0.2.1:1234", "200 OK"},
		{"certificate", "/plugins/disable?ns=ns.one&repo=acme/backup", func(r *http.Request) {
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{subject}}}
		}, "certificate CN=ops,O=Acme", "192.0.2.1:1234", "200 OK"},
		{"a control call that fails", "/plugins/enable?ns=ns.one&repo=acme/other", loopback, "loopback", "127.0.0.1:999", "404 namespace"},
		{"nobody", "/plugins/update", func(*http.Request) {}, "unknown", "192.0.2.1:1234", "403 Only callers on the agent's own host"},
		{"a wrong token", "/update", bearer("guess"), "unknown, wrong token", "192.0.2.1:1234", "403 Only callers"},
		{"a wrong token from loopback", "/update", func(r *http.Request) { loopback(r); bearer("guess")(r) }, "loopback, wrong token", "127.0.0.1:999", "200 OK"},
		{"a proxy on this host", "/update", func(r *http.Request) { loopback(r); r.Header.Set("X-Forwarded-For", "1.2.3.4") }, "unknown", "127.0.0.1:999", "403 Only callers"},
		{"another site", "/me/status", func(r *http.Request) { r.Header.Set("Origin", "http://evil.test") }, "unknown", "192.0.2.1:1234", "403 A browser"},
		{"another namespace", "/post?ns=not.mine", func(*http.Request) {}, "unknown", "192.0.2.1:1234", "403 The namespace"},
		{"a line break and no UTF-8", "/update?timeout=%0A%FF", loopback, "loopback", "127.0.0.1:999", "200 OK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			test.serve(t, c.path, c.change)
			lines := log.take(t)
			require.Len(t, lines, 1)
			result := lines[0]["result"]
			require.True(t, strings.HasPrefix(result, c.result), result)
			require.Equal(t, map[string]string{"who": c.who, "from": c.from, "what": "POST " + c.path, "result": result}, lines[0])
			require.NotContains(t, fmt.Sprint(lines[0]), "s3cret")
		})
	}
	for _, path := range []string{"/me/status", "/plugins/list", "/metrics", "/nothing"} {
		test.serve(t, path, func(*http.Request) {})
	}
	require.Empty(t, log.take(t), "what only reads is not in it")
}

func TestCallerCannotHideInTheAuditLogWhatItCalls(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log))
	long := strings.Repeat("x", 10_000)
	for query, want := range map[string]string{
		long + "&ns=ns.one&a=1&a=2&repo=acme/backup&param=-q":     "ns=ns.one&repo=acme/backup&param=-q (other parameters: 3)",
		"param=" + long + "&repo=acme/backup&ns=ns.one":           "ns=ns.one&repo=acme/backup&param=" + long[:100] + "…",
		"param=-a%26repo%3Dacme/other&repo=acme/backup&ns=ns.one": "ns=ns.one&repo=acme/backup&param=-a%26repo%3Dacme/other",
		"ns=ns.one&repo=acme/backup&token=s3cret":                 "ns=ns.one&repo=acme/backup (other parameters: 1)",
		"ns=ns.one&repo=https://me:s3cret@git.test/acme/backup":   "ns=ns.one&repo=https://git.test/acme/backup",
	} {
		test.serve(t, "/plugins/run?"+query, func(r *http.Request) { r.RemoteAddr = "127.0.0.1:999" })
		lines := log.take(t)
		require.Len(t, lines, 1)
		require.Equal(t, "POST /plugins/run?"+want, lines[0]["what"])
	}
}

func TestAuditLogNamesTheUserAtTheOtherEndOfAUnixSocket(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log))
	socket := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: test.agent.Handler(), ConnContext: httpapi.ConnContext}
	defer server.Close()
	go server.Serve(listener)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://agent/update")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	lines := log.take(t)
	require.Len(t, lines, 1)
	require.Equal(t, fmt.Sprintf("uid %d", os.Getuid()), lines[0]["who"])
	require.Equal(t, "unix socket", lines[0]["from"])
}
