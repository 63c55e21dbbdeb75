package httpregistry_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/httpregistry"
	"github.com/lodastack/agent/internal/registrytest"
)

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
