package httpregistry_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/httpregistry"
	"github.com/lodastack/agent/internal/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func host() agent.Host {
	return agent.Host{Hostname: "web-1", Addresses: []string{"10.0.0.1", "10.0.0.2"}, Serial: "SN-7"}
}

// start returns a registry server, and the client to test for it.
func start(t *testing.T, change func(*httpregistry.Config)) (*registrytest.Server, *httpregistry.Registry) {
	t.Helper()
	server, err := registrytest.NewServer()
	require.NoError(t, err)
	t.Cleanup(server.Close)
	cfg := httpregistry.Config{URL: server.URL()}
	if change != nil {
		change(&cfg)
	}
	registry, err := httpregistry.New(cfg)
	require.NoError(t, err)
	return server, registry
}

func namespaces(assignments []agent.Assignment) []string {
	names := []string{}
	for _, a := range assignments {
		names = append(names, a.Namespace)
	}
	return names
}

func TestAssignmentsHoldWhatEveryNamespaceWants(t *testing.T) {
	server, registry := start(t, nil)
	server.SetNamespace("web.shop", "id-web",
		registrytest.Item{"measurement_type": "CPU", "name": "cpu.idle", "interval": "30"},
		registrytest.Item{"measurement_type": "PORT", "name": "PORT.sshd.22", "port": "22", "connect_timeout": "3", "interval": "60"},
		registrytest.Item{"measurement_type": "PLUGIN", "name": "PLUGIN.mysql", "git": "git@git.test.com:XXX/mysql.git", "interval": "60", "parameters": "-servers x"},
		registrytest.Item{"measurement_type": "PORT", "name": "PORT.bad", "port": "x"})
	server.SetNamespace("all.loda", "id-all")
	server.SetNamespace("q u/e?r&y=", "")

	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{
		{Namespace: "all.loda", ID: "id-all"},
		{Namespace: "q u/e?r&y=", Problems: []string{`its name: namespace "q u/e?r&y=" contains ' '; namespaces consist of a-z A-Z 0-9 . _ -`}},
		{
			Namespace: "web.shop", ID: "id-web",
			Intervals: map[string]time.Duration{"CPU": 30 * time.Second, "PORT": time.Minute},
			Plugins: []agent.Plugin{{
				Namespace: "web.shop", Name: "PLUGIN.mysql", Repo: "XXX/mysql", Interval: time.Minute, Args: []string{"-servers", "x"},
			}},
			Ports:    []agent.Port{{Name: "PORT.sshd.22", Port: 22, Timeout: 3 * time.Second}},
			Problems: []string{`item 4, PORT "PORT.bad": its port "x" is not a whole number of a sensible size`},
		},
	}, assignments)
	require.Equal(t, []map[string]any{{"hostname": "web-1", "ip": "10.0.0.1,10.0.0.2", "sn": "SN-7"}}, server.Hosts())
	require.Contains(t, server.Requests(), "POST /api/v1/agent/ns")
	require.Contains(t, server.Requests(), "GET /api/v1/agent/resource?ns=web.shop&type=collect")
}

func TestHostWithoutNamespacesHasNoAssignments(t *testing.T) {
	_, registry := start(t, nil)
	assignments, err := registry.Assignments(t.Context(), agent.Host{Hostname: "new"})
	require.NoError(t, err)
	require.Empty(t, assignments)
}

func TestNamespaceThatFailsIsNamedBesideTheOthers(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, registry := start(t, fault.timeout)
			server.SetNamespace("bad", "id-1")
			for i := range 9 {
				server.SetNamespace(fmt.Sprintf("good%d", i), "id")
			}
			server.SetItemsFault("bad", fault.fault)

			assignments, err := registry.Assignments(t.Context(), host())
			var partial *agent.PartialError
			require.ErrorAs(t, err, &partial)
			require.Len(t, partial.Namespaces, 1)
			require.ErrorContains(t, partial.Namespaces["bad"], fault.says)
			require.Len(t, assignments, 9)
			require.NotContains(t, namespaces(assignments), "bad")
		})
	}
}

type namedFault struct {
	fault registrytest.Fault
	says  string
}

// timeout makes a test of a registry that never answers short. Others get all
// the time that a loaded machine needs.
func (f namedFault) timeout(cfg *httpregistry.Config) {
	if strings.HasPrefix(f.says, "timed out after 1s") {
		cfg.Timeout = time.Second
	}
}

func faults() map[string]namedFault {
	return map[string]namedFault{
		"status 500":      {registrytest.Status(500), `the registry answers with status 500 Internal Server Error: "the registry fails on purpose"`},
		"status 204":      {registrytest.Status(204), "the registry answers with status 204"},
		"status 201":      {registrytest.Status(201), "the registry answers with status 201"},
		"httpstatus 500":  {registrytest.HTTPStatus(500), `the registry answers with status 500: "the registry fails on purpose"`},
		"html":            {registrytest.HTML(), `begins with "<!doctype html>`},
		"half json":       {registrytest.HalfJSON(), "unexpected end of JSON input"},
		"disconnect":      {registrytest.Disconnect(), "no complete answer, only"},
		"hang up":         {registrytest.HangUp(), "no answer: the connection was closed"},
		"empty":           {registrytest.Body(""), `begins with ""`},
		"other json":      {registrytest.Body(`{"status":"ok"}`), `not a registry's answer: it has no httpstatus and begins with "{\"status\":\"ok\"}"`},
		"json null":       {registrytest.Body(`null`), "no httpstatus"},
		"data of no form": {registrytest.Body(`{"httpstatus":200,"data":"x","msg":""}`), `"\"x\""`},
		"no data":         {registrytest.Body(`{"httpstatus":200,"msg":""}`), `""`},
		"two answers":     {registrytest.Body(`{"httpstatus":200,"data":[],"msg":""}{}`), "after top-level value"},
		"hang":            {registrytest.Hang(), "timed out after 1s: no answer"},
		"stall":           {registrytest.Stall(), "timed out after 1s: no complete answer"},
		"gigantic":        {registrytest.Huge(17 << 20), "larger than 16 MiB"},
		"redirect loop":   {registrytest.RedirectLoop(), "redirects more than 3 times"},
	}
}

func TestRegistryThatFailsIsOneClearError(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, registry := start(t, fault.timeout)
			server.SetNamespace("web", "id")
			server.SetNamespacesFault(fault.fault)

			assignments, err := registry.Assignments(t.Context(), host())
			require.ErrorContains(t, err, "the namespaces of web-1: ")
			require.ErrorContains(t, err, fault.says)
			require.Less(t, len(err.Error()), 500)
			require.Empty(t, assignments)
			var partial *agent.PartialError
			require.False(t, errors.As(err, &partial), "no namespace may be taken for missing")

			server.SetNamespacesFault(nil)
			assignments, err = registry.Assignments(t.Context(), host())
			require.NoError(t, err)
			require.Equal(t, []string{"web"}, namespaces(assignments))
		})
	}
}

func TestNamespacesOfTheWrongTypeTakeNothingAway(t *testing.T) {
	server, registry := start(t, nil)
	for _, data := range []string{`null`, `[]`, `"web"`, `["web"]`, `7`} {
		server.SetNamespacesFault(registrytest.Body(`{"httpstatus":200,"data":` + data + `,"msg":""}`))
		_, err := registry.Assignments(t.Context(), host())
		require.ErrorContains(t, err, "not an object of namespaces and ids", data)
	}
}

func TestNamespaceWithoutANameIsLeftOut(t *testing.T) {
	server, registry := start(t, nil)
	server.SetNamespace("web", "id")
	server.SetNamespacesFault(registrytest.Body(`{"httpstatus":200,"data":{"":"id-0","web":7},"msg":""}`))
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{{Namespace: "web"}}, assignments)
}

func TestNullIsAnEmptyListOfItems(t *testing.T) {
	server, registry := start(t, nil)
	server.SetNamespace("web", "id")
	server.SetItemsFault("web", registrytest.Body(`{"httpstatus":200,"data":null,"msg":null}`))
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []agent.Assignment{{Namespace: "web", ID: "id"}}, assignments)
}

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

func TestReportHasEveryFieldOfTheContract(t *testing.T) {
	server, registry := start(t, nil)
	var body string
	server.SetReportFault(func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			content, err := io.ReadAll(r.Body)
			if err == nil {
				body = string(content)
			}
			registrytest.Body(`{"httpstatus":200,"data":null,"msg":"success"}`)(good).ServeHTTP(w, r)
		})
	})
	previous := host()
	previous.Hostname = "web-0"
	previous.Addresses = []string{"10.0.0.1"}
	require.NoError(t, registry.Report(t.Context(), agent.Report{
		Host: host(), Previous: previous, Changed: true,
		Namespaces: []string{"all.loda", "web.shop"}, IDs: []string{"id-all", "id-web"},
		Build: agent.Build{Version: "1.2.3", Commit: "abc", Branch: "main", Time: "2026-01-02T03:04:05Z", GoVersion: "go1.26"},
		Time:  time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 8*3600)),
	}))
	require.JSONEq(t, `{
		"uuid": ["id-all", "id-web"], "sn": "SN-7",
		"newiplist": ["10.0.0.1", "10.0.0.2"], "oldiplist": ["10.0.0.1"], "ns": ["all.loda", "web.shop"],
		"version": "1.2.3", "commit": "abc", "branch": "main", "buildtime": "2026-01-02T03:04:05Z", "goversion": "go1.26",
		"newhostname": "web-1", "oldhostname": "web-0", "agenttype": "loda-agent", "update": true,
		"utime": "2026-02-03T04:05:06+08:00"
	}`, body)
}

func TestReportOfAnUnknownPastHasListsAndAnOldHostname(t *testing.T) {
	server, registry := start(t, func(cfg *httpregistry.Config) { cfg.AgentType = "my-agent" })
	require.NoError(t, registry.Report(t.Context(), agent.Report{Host: agent.Host{Hostname: "web-1"}}))
	require.Len(t, server.Reports(), 1)
	report := server.Reports()[0]
	for _, field := range []string{"uuid", "newiplist", "oldiplist", "ns"} {
		require.Equal(t, []any{}, report[field], field)
	}
	require.Equal(t, "web-1", report["oldhostname"])
	require.Equal(t, "my-agent", report["agenttype"])
	require.Equal(t, false, report["update"])
}

func TestReportThatIsNotAcceptedIsAnError(t *testing.T) {
	server, registry := start(t, nil)
	for _, fault := range []registrytest.Fault{registrytest.Status(500), registrytest.HTTPStatus(400), registrytest.HTML(), registrytest.HalfJSON()} {
		server.SetReportFault(fault)
		err := registry.Report(t.Context(), agent.Report{Host: host()})
		require.ErrorContains(t, err, "the report of web-1: POST "+server.URL()+"/api/v1/agent/report")
	}
	require.ErrorContains(t, registry.Report(t.Context(), agent.Report{}), "the report of : ")
}

func TestReportOfANameThatTheRegistryDoesNotKnowIsTold(t *testing.T) {
	server, registry := start(t, nil)
	server.Forget("web-0")
	renamed := agent.Report{Host: host(), Previous: agent.Host{Hostname: "web-0"}, Changed: true}
	err := registry.Report(t.Context(), renamed)
	require.ErrorIs(t, err, agent.ErrHostUnknown)
	require.ErrorContains(t, err, `status 500 Internal Server Error: "machine not found"`)
	require.Empty(t, server.Reports())

	first := agent.Report{Host: host(), Previous: host()}
	require.NoError(t, registry.Report(t.Context(), first), "a report without a change is taken of any host")
	server.SetReportFault(registrytest.Status(500))
	require.NotErrorIs(t, registry.Report(t.Context(), renamed), agent.ErrHostUnknown)
}

func TestByteOrderMarkBeforeAnAnswerIsSkipped(t *testing.T) {
	server, registry := start(t, nil)
	server.SetNamespace("web", "id")
	server.SetFault(func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "\ufeff")
			good.ServeHTTP(bodyOnly{w}, r)
		})
	})
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, namespaces(assignments))
}

func TestNaNInAnAnswerCostsOneItem(t *testing.T) {
	server, registry := start(t, nil)
	server.SetNamespace("web", "id")
	server.SetFault(func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("ns") == "" {
				good.ServeHTTP(w, r)
				return
			}
			_, _ = io.WriteString(w, `{"httpstatus":200,"data":[
				{"measurement_type":"CPU","interval":NaN},{"measurement_type":"MEM","interval":-Infinity},
				{"measurement_type":"NET","interval":"20"}],"msg":""}`)
		})
	})
	assignments, err := registry.Assignments(t.Context(), host())
	require.NoError(t, err)
	require.Equal(t, map[string]time.Duration{"NET": 20 * time.Second}, assignments[0].Intervals)
	require.Len(t, assignments[0].Problems, 2)
	require.Contains(t, assignments[0].Problems[0], `item 1, CPU "": its interval "NaN" is not a whole number`)
}

// bodyOnly is an answer whose status has been written already.
type bodyOnly struct{ http.ResponseWriter }

func (bodyOnly) WriteHeader(int) {}

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
