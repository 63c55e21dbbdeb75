package httpapi_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

const disable = "/plugins/disable?ns=ns.one&repo=acme/backup"

// served is an agent whose plugins run as nobody, with its API on both loopback
// addresses and on a socket that everybody may connect to.
type served struct {
	*apiTest
	audit                *auditLog
	v4, v6, both, socket string
}

func serveApart(t *testing.T, opts ...agent.Option) *served {
	t.Helper()
	requireRoot(t)
	s := &served{audit: &auditLog{}}
	s.apiTest = newAPITest(t, append([]agent.Option{agent.WithAuditLog(s.audit), agent.WithPluginUsers(nobody)}, opts...)...)
	dir, err := os.MkdirTemp("", "api") // that of the test is root's alone
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	s.socket = filepath.Join(dir, "agent.sock")
	server := &http.Server{Handler: s.agent.Handler(), ConnContext: agent.ConnContext}
	t.Cleanup(func() { server.Close() })
	listen := func(network, address string) string {
		listener, err := net.Listen(network, address)
		require.NoError(t, err)
		go server.Serve(listener)
		return listener.Addr().String()
	}
	s.v4 = listen("tcp4", "127.0.0.1:0")
	s.v6 = listen("tcp6", "[::1]:0")
	_, port, err := net.SplitHostPort(listen("tcp", "[::]:0"))
	require.NoError(t, err)
	s.both = "127.0.0.1:" + port
	listen("unix", s.socket)
	require.NoError(t, os.Chmod(s.socket, 0o777))
	return s
}

func (s *served) isEnabled() bool { return s.agent.Plugins()[0].Enabled }

func TestPluginsNeverControlTheAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	s := serveApart(t, agent.WithControlToken(func() string { return "s3cret" }))
	get := func(path, header string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + header + "Connection: close\r\n\r\n"
	}
	simple := get(disable, "")
	for _, c := range []struct {
		name, mode, network, address, request string
		refused                               int // control calls of the request
	}{
		{"IPv4", "call", "tcp", s.v4, simple, 1},
		{"IPv6", "call", "tcp", s.v6, simple, 1},
		{"IPv4 to a listener for both", "call", "tcp", s.both, simple, 1},
		{"IPv4 by a socket of IPv6", "mapped", "tcp", s.both, simple, 1},
		{"IPv4 by a socket of IPv6, to a listener of IPv4", "mapped", "tcp", s.v4, simple, 1},
		{"a socket that is bound to a device", "device", "tcp", s.v4, simple, 1},
		{"IPv6 and a device", "device", "tcp", s.v6, simple, 1},
		{"unix socket", "call", "unix", s.socket, simple, 1},
		{"a process that inherited the connection", "lend", "tcp", s.v4, simple, 1},
		{"a process that inherited the connection of a socket", "lend", "unix", s.socket, simple, 1},
		{"a forged host", "call", "tcp", s.v4, strings.Replace(simple, "localhost", "web1.example.org", 1), 1},
		{"a foreign host", "call", "tcp", s.v4, strings.Replace(simple, "localhost", "evil.test", 1), 1},
		{"the token", "call", "tcp", s.v4, get(disable, "Authorization: Bearer s3cret\r\n"), 1},
		{"the token, by the socket", "call", "unix", s.socket, get(disable, "Authorization: Bearer s3cret\r\n"), 1},
		{"headers of a proxy", "call", "tcp", s.v4, get(disable, "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n"), 1},
		{"POST", "call", "tcp", s.v4, strings.Replace(simple, "GET", "POST", 1), 1},
		{"HTTP/1.0", "call", "tcp", s.v4, "GET " + disable + " HTTP/1.0\r\n\r\n", 1},
		{"an address of a proxy", "call", "tcp", s.v4, "GET http://localhost" + disable + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 1},
		{"keep-alive, after reading", "call", "tcp", s.v4, "GET /me/ns HTTP/1.1\r\nHost: localhost\r\n\r\n" + simple, 1},
		{"pipelining", "call", "tcp", s.v4, strings.Repeat("GET "+disable+" HTTP/1.1\r\nHost: localhost\r\n\r\n", 9) + simple, 10},
		{"the other endpoints", "call", "tcp", s.v4, "GET /update HTTP/1.1\r\nHost: localhost\r\n\r\n" +
			"GET /plugins/run?ns=ns.one&repo=acme/backup HTTP/1.1\r\nHost: localhost\r\n\r\n" +
			"GET /plugins/enable?ns=ns.one&repo=acme/backup HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/plugins/update?ns=ns.one&repo=acme/backup", ""), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := callAs(t, nobody, c.mode, c.network, c.address, c.request)
			require.Equal(t, c.refused, strings.Count(answer, " 403 Forbidden\r\n"), answer)
			require.NotContains(t, answer, `{"status":"ok"}`)
			require.True(t, s.isEnabled())
			lines := s.audit.take(t)
			require.Len(t, lines, c.refused)
			for _, line := range lines {
				require.Regexp(t, "^403 ", line["result"])
				if c.mode != "device" { // whose user is not found
					require.Regexp(t, "^uid 65534", line["who"])
				}
				require.NotContains(t, line["result"]+line["what"], "s3cret")
			}
		})
	}
}

func TestNoUserOfARangeOfPluginsControlsTheAgent(t *testing.T) {
	const first, last = 0x70000000, 0x7ffdffff
	s := serveApart(t, agent.WithPluginUserRange(first, last))
	request := "GET " + disable + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	for _, c := range []struct {
		uid              uint32
		network, address string
	}{{first, "tcp", s.v4}, {last, "tcp", s.v6}, {first + 1234567, "unix", s.socket}} {
		require.Contains(t, callAs(t, c.uid, "call", c.network, c.address, request), " 403 Forbidden\r\n", c.network)
		require.True(t, s.isEnabled())
		lines := s.audit.take(t)
		require.Len(t, lines, 1)
		require.Equal(t, fmt.Sprint("uid ", c.uid), lines[0]["who"])
	}
	for _, uid := range []uint32{first - 1, last + 1} {
		require.Contains(t, callAs(t, uid, "call", "tcp", s.v4, request), " 200 OK\r\n")
	}
}

func TestOtherUsersOfTheHostControlTheAgentAndPluginsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	s := serveApart(t)
	request := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	}
	for _, uid := range []uint32{0, 1} {
		for mode, address := range map[string]string{"call": s.v4, "mapped": s.both, "lend": s.v6} {
			require.Contains(t, callAs(t, uid, mode, "tcp", address, request(disable)), " 200 OK\r\n", mode)
			require.False(t, s.isEnabled())
			require.Contains(t, callAs(t, uid, "call", "unix", s.socket, request(strings.Replace(disable, "disable", "enable", 1))), " 200 OK\r\n")
			require.True(t, s.isEnabled())
		}
	}
	for _, line := range s.audit.take(t) {
		require.Contains(t, []string{"uid 0", "uid 1"}, line["who"])
	}
	for _, path := range []string{"/me/ns", "/me/status", "/plugins/list", "/metrics", "/healthz"} {
		require.Contains(t, callAs(t, nobody, "call", "tcp", s.v4, request(path)), " 200 OK\r\n", path)
	}
	post := "POST /post?ns=ns.one HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 24\r\n\r\n" + `[{"name":"a","value":1}]`
	require.Contains(t, callAs(t, nobody, "call", "tcp", s.v4, post), " 200 OK\r\n")
	require.Empty(t, s.audit.take(t))
}

func TestWhatAPluginRelaysIsItsOwn(t *testing.T) {
	s := serveApart(t)
	for network, address := range map[string]string{"tcp": s.v4, "unix": s.socket} {
		command, answer := caller(t.Context(), nobody, "relay", network, address, "")
		command.Stdout = nil
		output, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		where, err := bufio.NewReader(output).ReadString('\n')
		require.NoError(t, err)
		got := callAs(t, 0, "call", "tcp", strings.TrimSpace(where), "GET "+disable+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		require.NoError(t, command.Wait(), answer)
		require.Contains(t, got, " 403 Forbidden\r\n", network)
		require.True(t, s.isEnabled())
	}
}

func TestPluginThatHangsUpControlsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	s := serveApart(t)
	for _, address := range []string{s.v4, s.v6} {
		for _, mode := range []string{"leave", "reset"} {
			callAs(t, nobody, mode, "tcp", address, "GET "+disable+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	}
	for quiet := 0; quiet < 3; quiet++ { // until all that arrived has been served
		for _, line := range s.audit.take(t) {
			require.Regexp(t, "^403 ", line["result"])
			quiet = 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.True(t, s.isEnabled())
}

func TestThousandConnectionsOfAPluginAtOnceAreRefusedEach(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	s := serveApart(t)
	answers := callAs(t, nobody, "storm", "tcp", s.v4, "GET "+disable+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	require.Equal(t, 1000, strings.Count(answers, "HTTP/1.1 403 Forbidden\n"), answers)
	require.Len(t, s.audit.take(t), 50, "the others are counted")
	require.True(t, s.isEnabled())
}

func TestCallerWhoseUserIsUnknownNeedsAToken(t *testing.T) {
	test := newAPITest(t, agent.WithPluginUsers(nobody), agent.WithControlToken(func() string { return "s3cret" }))
	got := test.do(t, "GET", "/update", "") // to a server that does not tell of its connections
	require.Equal(t, 403, got.status)
	require.Contains(t, got.detail(t), "http.Server.ConnContext")
	require.Contains(t, got.detail(t), "api.tokenfile")
	got = test.do(t, "GET", "/update", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cret") })
	require.Equal(t, 200, got.status)
}
