package httpregistry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
		"other json":      {registrytest.Body(`{"status":"ok"}`), `not an answer of a registry: it has no httpstatus and begins with "{\"status\":\"ok\"}"`},
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
