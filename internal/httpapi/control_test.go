package httpapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// over makes a request one that came over a network.
func over(network, from string) func(*http.Request) {
	return func(r *http.Request) {
		r.RemoteAddr = from
		local := net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1232})
		if network == "unix" {
			local = &net.UnixAddr{Net: "unix", Name: "/run/agent.sock"}
		}
		*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
	}
}

func TestLocalControlSaysWhoIsTrustedForBeingOnTheHost(t *testing.T) {
	loopback, socket, elsewhere := over("tcp", "127.0.0.1:999"), over("unix", "@"), over("tcp", "192.0.2.1:999")
	token := func(r *http.Request) { elsewhere(r); r.Header.Set("Authorization", "Bearer s3cret") }
	certificate := func(r *http.Request) {
		elsewhere(r)
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	}
	relayed := func(r *http.Request) { socket(r); r.Header.Set("X-Forwarded-For", "192.0.2.1") }
	for how, allowed := range map[string][]bool{
		//          loopback socket relayed elsewhere token certificate
		"loopback": {true, true, false, false, true, true},
		"socket":   {false, true, false, false, true, true},
		"token":    {false, false, false, false, true, true},
	} {
		test := newAPITest(t, agent.WithLocalControl(how), agent.WithControlToken(func() string { return "s3cret" }))
		require.Equal(t, how, test.agent.Status().Control.Local)
		for i, change := range []func(*http.Request){loopback, socket, relayed, elsewhere, token, certificate} {
			for _, path := range controlPaths {
				got := test.serve(t, path, change)
				require.Equal(t, allowed[i], got.status != 403, "%s %d %s: %s", how, i, path, got.body)
				if !allowed[i] && how != "loopback" {
					require.Contains(t, got.detail(t), "api.localcontrol is "+how)
				}
			}
			require.Equal(t, 200, test.serve(t, "/me/status", change).status, "reading is for everybody")
		}
	}
	_, err := agent.New(agent.WithLocalControl("localhost"))
	require.ErrorContains(t, err, `"localhost" does not say who may control the agent; write loopback, socket or token`)
}

// A link in a mail is enough for a browser to make a GET request for no site at
// all. curl sends none of these headers.
func TestControlByGetIsNotForBrowsers(t *testing.T) {
	test := newAPITest(t)
	const own = "http://192.0.2.9:1232"
	for _, c := range []struct {
		header, value string
		browser       bool
	}{
		{"", "", false},
		{"User-Agent", "curl/8.9", false},
		{"Accept", "text/html", false},
		{"Accept-Language", "en", false},
		{"X-Requested-With", "curl", false},
		{"Sec-Fetch-Site", "none", true},
		{"Sec-Fetch-Site", "same-origin", true},
		{"Sec-Fetch-Mode", "navigate", true},
		{"Sec-Fetch-Dest", "document", true},
		{"Sec-Fetch-User", "?1", true},
		{"Sec-Fetch-Storage-Access", "active", true},
		{"Sec-Purpose", "prefetch", true},
		{"Sec-Ch-Ua", `"Chromium";v="130"`, true},
		{"Sec-Gpc", "1", true},
		{"sec-fetch-mode", "no-cors", true},
		{"Origin", own, true},
		{"Referer", own + "/me/status", true},
		{"Upgrade-Insecure-Requests", "1", true},
	} {
		for _, path := range controlPaths {
			for _, method := range []string{"GET", "POST"} {
				got := test.serve(t, path, func(r *http.Request) {
					r.Method, r.RemoteAddr = method, "127.0.0.1:999"
					if c.header != "" {
						r.Header.Set(c.header, c.value)
					}
				})
				if c.browser && method == "GET" {
					require.Equal(t, 405, got.status, "%s %s", path, c.header)
					require.Equal(t, "POST", got.header.Get("Allow"))
					require.Contains(t, got.detail(t), "POST")
				} else {
					require.NotContains(t, []int{403, 405}, got.status, "%s %s %s: %s", method, path, c.header, got.body)
				}
			}
		}
		for _, path := range []string{"/me/ns", "/me/status", "/plugins/list", "/metrics"} {
			got := test.serve(t, path, func(r *http.Request) { r.Method = "GET"; r.Header.Set(c.header, c.value) })
			require.Equal(t, 200, got.status, "%s only reads", path)
		}
	}
}

func TestPluginsAreNotCalledWhereThePolicySaysSo(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithoutPluginCalls(), agent.WithAuditLog(log), agent.WithControlToken(func() string { return "s3cret" }))
	for _, path := range []string{pluginPath, "/plugins/run", "/plugins/run?ns=no&repo=such/plugin"} {
		for _, token := range []string{"", "Bearer s3cret"} {
			got := test.do(t, "POST", path, "", func(r *http.Request) { r.Header.Set("Authorization", token) })
			require.Equal(t, 403, got.status)
			require.Contains(t, got.detail(t), "policy.calls")
		}
	}
	require.Len(t, log.take(t), 6)
	require.False(t, test.agent.Status().Control.Calls)
	require.Zero(t, test.agent.Plugins()[0].Runs)
	run, err := test.agent.RunPlugin(t.Context(), "ns.one", pluginRepo, nil)
	require.NoError(t, err)
	require.Equal(t, agent.RunOK, run.Result)
	require.Equal(t, 200, test.do(t, "POST", "/plugins/update?ns=ns.one&repo=acme/backup", "").status)
}

// The caller is allowed, but the host's own config refuses the plugin.
func TestWhatThePolicyRefusesIs502WithTheRule(t *testing.T) {
	test := newAPITest(t)
	refused := &agent.PolicyError{Rule: "policy.signers", Err: errors.New("refused by policy.signers: nobody has signed it")}
	test.runner.update = func(context.Context, agent.Plugin) error { return refused }
	test.runner.run = func(context.Context, agent.Plugin, []string) ([]byte, error) {
		return nil, &agent.RunError{Result: agent.RunPolicy, Err: refused}
	}
	got := test.do(t, "POST", "/plugins/update?ns=ns.one&repo=acme/backup", "")
	require.Equal(t, 502, got.status)
	require.Contains(t, got.detail(t), "policy.signers")
	got = test.do(t, "POST", pluginPath, "")
	require.Equal(t, 502, got.status)
	require.Contains(t, got.detail(t), "policy.signers")
	require.Equal(t, "policy", got.run(t).Result)
}

func TestAuditLogHasNoSecrets(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log))
	for path, what := range map[string]string{
		"/plugins/update?ns=ns.one&repo=https://me:s3cret@git.test.com/acme/backup.git":         "/plugins/update?ns=ns.one&repo=https://git.test.com/acme/backup.git",
		"/plugins/update?ns=ns.one&repo=https%3A%2F%2Fme%3As3cret%40git.test.com/acme/none.git": "/plugins/update?ns=ns.one&repo=https://git.test.com/acme/none.git",
		"/plugins/update?ns=ns.one&repo=https://me:a/b@s3cret@git.test.com/acme/none":           "/plugins/update?ns=ns.one&repo=https://git.test.com/acme/none",
		"/plugins/update?ns=ns.one&repo=me:s3cret@git.test.com:acme/none":                       "/plugins/update?ns=ns.one&repo=git.test.com:acme/none",
		"/plugins/update?ns=ns.one&repo=ftp://me:s3cret@git.test.com/acme/none":                 "/plugins/update?ns=ns.one&repo=ftp://git.test.com/acme/none",
		"/plugins/update?ns=ns.one&repo=git@git.test.com:acme/backup.git":                       "/plugins/update?ns=ns.one&repo=git@git.test.com:acme/backup.git",
		"/update?token=s3cret&p=s3cret&%70assword=s3cret&ns=a%20b":                              "/update?ns=a%20b (other parameters: 3)",
		"/update?ns=%zzs3cret": "/update",
		"/update?timeout=&u=":  "/update?timeout= (other parameters: 1)",
	} {
		test.serve(t, path, func(r *http.Request) {
			r.RemoteAddr = "127.0.0.1:999"
			r.Header.Set("Authorization", "Bearer s3cret")
			r.Header.Set("Cookie", "s3cret")
		})
		lines := log.take(t)
		require.Len(t, lines, 1)
		require.Equal(t, "POST "+what, lines[0]["what"])
		for _, text := range lines[0] {
			require.NotContains(t, text, "s3cret")
		}
	}
}
