package httpapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// serve calls the handler as a caller at 192.0.2.1 would, or as change says.
func (test *apiTest) serve(t *testing.T, path string, change func(*http.Request)) answer {
	t.Helper()
	request := httptest.NewRequest("POST", path, nil)
	request.Host = "192.0.2.9:1232"
	change(request)
	recorder := httptest.NewRecorder()
	test.server.Config.Handler.ServeHTTP(recorder, request)
	return answer{recorder.Code, recorder.Header(), recorder.Body.String()}
}

var controlPaths = []string{"/update", "/plugins/run", "/plugins/update", "/plugins/rollback", "/plugins/enable", "/plugins/disable"}

func TestControlIsForCallersOnTheHostAndThoseWithTokenOrCertificate(t *testing.T) {
	token := "s3cret"
	test := newAPITest(t, agent.WithControlToken(func() string { return token }))
	bearer := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for _, c := range []struct {
		name    string
		change  func(*http.Request)
		allowed bool
	}{
		{"from elsewhere", func(*http.Request) {}, false},
		{"from loopback", func(r *http.Request) { r.RemoteAddr = "127.0.0.1:999" }, true},
		{"from another loopback address", func(r *http.Request) { r.RemoteAddr = "127.9.9.9:999" }, true},
		{"from IPv6 loopback", func(r *http.Request) { r.RemoteAddr = "[::1]:999" }, true},
		{"from IPv4 loopback in IPv6", func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:999" }, true},
		{"from an address that looks like that of a unix socket", func(r *http.Request) { r.RemoteAddr = "@" }, false},
		{"from no address", func(r *http.Request) { r.RemoteAddr = "" }, false},
		{"with the token", bearer("Bearer s3cret"), true},
		{"with the token, scheme in small letters", bearer("bearer s3cret"), true},
		{"with another token", bearer("Bearer s3cres"), false},
		{"with the beginning of the token", bearer("Bearer s3c"), false},
		{"with no token after the scheme", bearer("Bearer "), false},
		{"with the token as a password", bearer("Basic s3cret"), false},
		{"with a verified certificate", func(r *http.Request) {
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
		}, true},
		{"with a certificate that nobody verified", func(r *http.Request) {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range controlPaths {
				got := test.serve(t, path, c.change)
				if c.allowed {
					require.NotEqual(t, 403, got.status, "%s: %s", path, got.body)
				} else {
					require.Equal(t, 403, got.status, path)
					require.Contains(t, got.detail(t), "api.tokenfile", path)
				}
			}
			for _, path := range []string{"/me/ns", "/me/status", "/me/points", "/me/history", "/metrics/host", "/plugins/list", "/healthz", "/metrics"} {
				require.Equal(t, 200, test.serve(t, path, c.change).status, "%s only reads", path)
			}
		})
	}

	token = "new"
	require.Equal(t, 200, test.serve(t, "/update", bearer("Bearer new")).status, "a new token is in force at once")
	require.Equal(t, 403, test.serve(t, "/update", bearer("Bearer s3cret")).status)
	token = ""
	require.Equal(t, 403, test.serve(t, "/update", bearer("Bearer ")).status, "no token opens nothing")
}

func TestWhatAProxyRelayedIsNotLocal(t *testing.T) {
	test := newAPITest(t)
	status := func(header string) int {
		return test.serve(t, "/update", func(r *http.Request) {
			r.RemoteAddr = "127.0.0.1:999"
			r.Header.Set(header, "203.0.113.7")
		}).status
	}
	for _, header := range []string{
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded",
		"X-Original-Forwarded-For", "Forwarded-For", "X-Real-IP", "X-Client-IP", "Client-IP", "True-Client-IP", "X-Cluster-Client-IP",
		"Fastly-Client-IP", "Cf-Connecting-IP", "Cf-Connecting-Ipv6", "X-Appengine-User-Ip", "X-Azure-ClientIP", "X-Azure-SocketIP", "Wl-Proxy-Client-IP",
		"X-ProxyUser-Ip", "X-Originating-IP", "X-Remote-IP", "X-Remote-Addr", "X-Host-IP", "Do-Connecting-Ip", "Fly-Client-Ip", "X-Envoy-External-Address",
		"X-Original-URL", "CDN-Loop", "Proxy-Connection", "X-Amzn-Trace-Id",
	} {
		require.Equal(t, 403, status(header), header)
	}
	for _, header := range []string{"Accept", "User-Agent", "Content-Type", "X-Request-Id", "Traceparent", "Accept-Encoding"} {
		require.Equal(t, 200, status(header), header)
	}
}

func TestRequestsForAnotherSiteAreRefusedAtEveryEndpoint(t *testing.T) {
	test := newAPITest(t, agent.WithAPIHosts("Monitor.example.com"))
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for _, c := range []struct {
		name    string
		change  func(*http.Request)
		allowed bool
	}{
		{"IP address", host("10.1.2.3:1232"), true},
		{"IPv6 address", host("[2001:db8::1]:1232"), true},
		{"IPv6 address without port", host("[::1]"), true},
		{"IPv4 address with half a bracket", host("127.0.0.1]"), false},
		{"IPv4 address with the other half, and a port", host("[127.0.0.1:1232"), false},
		{"IPv4 address in brackets", host("[127.0.0.1]:1232"), false},
		{"IPv6 address without brackets", host("::1"), false},
		{"IPv6 address with half a bracket", host("[::1"), false},
		{"IPv6 address in two pairs of brackets", host("[[::1]]"), false},
		{"localhost", host("localhost:1232"), true},
		{"localhost, in its full form", host("LOCALHOST."), true},
		{"the host's name", host("web1.example.org:1232"), true},
		{"the host's short name", host("WEB1"), true},
		{"a name that was added", host("monitor.example.com"), true},
		{"no name, HTTP/1.0", host(""), true},
		{"another name", host("rebound.evil.test:1232"), false},
		{"a name that begins with the host's", host("web1.example.org.evil.test"), false},
		{"a name below localhost", host("localhost.evil.test"), false},
		{"a name like an address", host("127.0.0.1.evil.test"), false},
		{"a browser's own request", header("Sec-Fetch-Site", "none"), true},
		{"a page of this server", header("Sec-Fetch-Site", "same-origin"), true},
		{"a page of another site", header("Sec-Fetch-Site", "cross-site"), false},
		{"a page of another port of this host", header("Sec-Fetch-Site", "same-site"), false},
		{"this origin", header("Origin", "http://192.0.2.9:1232"), true},
		{"another origin", header("Origin", "https://evil.test"), false},
		{"another port's origin", header("Origin", "http://192.0.2.9:8080"), false},
		{"a hidden origin", header("Origin", "null"), false},
		{"this referer", header("Referer", "http://192.0.2.9:1232/me/status?x"), true},
		{"another referer", header("Referer", "https://evil.test/page"), false},
		{"another port's referer", header("Referer", "http://192.0.2.9/"), false},
		{"a malformed referer", header("Referer", "http://[::1"), false},
		{"a malformed origin", header("Origin", "http://[::1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			paths := append([]string{"/post", "/me/ns", "/me/status", "/me/points", "/me/history", "/me/stream?rate=0", "/me/explain", "/metrics/host", "/plugins/list", "/healthz", "/readyz", "/metrics", "/openapi.json", "/nothing"}, controlPaths...)
			for _, path := range paths {
				got := test.serve(t, path, func(r *http.Request) { r.RemoteAddr = "127.0.0.1:999"; c.change(r) })
				if c.allowed {
					require.NotEqual(t, 403, got.status, "%s: %s", path, got.body)
				} else {
					require.Equal(t, 403, got.status, path)
					got.detail(t)
				}
			}
		})
	}
}

func TestUnixSocketMayControlUnderAnyHostName(t *testing.T) {
	test := newAPITest(t)
	socket := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: test.agent.Handler()}
	defer server.Close()
	go server.Serve(listener)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://agent/update")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode, string(body))
}

func TestHeadIsNoWayToControl(t *testing.T) {
	test := newAPITest(t)
	for _, path := range append([]string{"/post", "/write", "/api/v2/write"}, controlPaths...) {
		got := test.do(t, "HEAD", path, "")
		require.Equal(t, 405, got.status, path)
		require.Equal(t, "GET, POST", got.header.Get("Allow"))
	}
	require.Equal(t, 200, test.do(t, "HEAD", "/healthz", "").status)
}

func TestUnknownPathSaysWhereToLook(t *testing.T) {
	test := newAPITest(t)
	got := test.do(t, "GET", "/plugins/nothing", "")
	require.Equal(t, 404, got.status)
	require.True(t, strings.Contains(got.detail(t), "/openapi.json"))
}
