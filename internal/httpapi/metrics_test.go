package httpapi_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestMetricsPassPromlintAndSayHowTheAgentFares(t *testing.T) {
	test := newAPITest(t,
		agent.WithBuild(agent.Build{Version: `v1 "quoted" \ and
broken`, Commit: "abc", GoVersion: "go1"}),
		agent.WithCollector("QUEUE", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "no name", Value: 1}}, errors.New("half")
		})),
		agent.WithStatsd(func() *agent.StatsdStatus { return &agent.StatsdStatus{Packets: 7, Series: 3} }))
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1},{"name":"b","value":1}]`).status)
	require.Equal(t, 400, test.do(t, "POST", "/post?ns=ns.one", `[`).status)
	require.Equal(t, 404, test.do(t, "POST", "/nothing/of/this", ``).status)
	require.Equal(t, 200, test.do(t, "GET", pluginPath, ``).status)
	require.Eventually(t, func() bool {
		s := test.agent.Status()
		return s.Collectors[0].Failures > 0 && s.Accounts["ns.one"].Delivered == 3 // two posted, and how the plugin's run went
	}, 10*time.Second, 10*time.Millisecond)

	got := test.do(t, "GET", "/metrics", "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", got.header.Get("Content-Type"))
	problems, err := promlint.New(strings.NewReader(got.body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, line := range []string{
		`lodastack_agent_build_info{version="v1 \"quoted\" \\ and\nbroken",commit="abc",goversion="go1"} 1`,
		`lodastack_agent_points_accepted_total{namespace="ns.one"} 3`,
		`lodastack_agent_points_delivered_total{namespace="ns.one"} 3`,
		`lodastack_agent_points_waiting{namespace="ns.one"} 0`,
		`lodastack_agent_output_up 1`,
		`lodastack_agent_registry_up 1`,
		`lodastack_agent_assignments_in_force 1`,
		`lodastack_agent_plugin_runs_total{namespace="ns.one",repo="acme/backup"} 1`,
		`lodastack_agent_plugin_enabled{namespace="ns.one",repo="acme/backup"} 1`,
		`lodastack_agent_statsd_packets_total 7`,
		`lodastack_agent_statsd_packets_dropped_total 0`,
		`lodastack_agent_statsd_series 3`,
		`lodastack_agent_http_answers_total{path="/post",code="200"} 1`,
		`lodastack_agent_http_answers_total{path="/post",code="400"} 1`,
		`lodastack_agent_http_answers_total{path="other",code="404"} 1`,
	} {
		require.Contains(t, got.body, line+"\n")
	}
	for _, name := range []string{`collector_runs_total{collector="QUEUE"} `, `collector_failures_total{collector="QUEUE"} `,
		`collector_invalid_metrics_total{collector="QUEUE"} `, "collector_duration_seconds", "plugin_duration_seconds", "registry_answer_timestamp_seconds", "start_time_seconds"} {
		require.Contains(t, got.body, "\nlodastack_agent_"+name)
	}
}

func TestCountersAreThereBeforeTheirFirstEvent(t *testing.T) {
	test := newAPITest(t, agent.WithCollector("QUEUE", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) { return nil, nil })))
	body := test.do(t, "GET", "/metrics", "").body
	for _, reason := range []string{"bad_point", "bad_topic", "buffer_full", "refused", "shutdown", "spool_age", "spool_damaged", "spool_full", "too_large", "unclean_stop"} {
		require.Contains(t, body, `lodastack_agent_points_dropped_total{namespace="ns.one",reason="`+reason+`"} 0`+"\n")
	}
	for _, line := range []string{
		`lodastack_agent_points_accepted_total{namespace="ns.one"} 0`,
		`lodastack_agent_points_delivered_total{namespace="ns.one"} 0`,
		`lodastack_agent_points_waiting{namespace="ns.one"} 0`,
		`lodastack_agent_points_oldest_waiting_age_seconds 0`,
		`lodastack_agent_plugin_runs_total{namespace="ns.one",repo="acme/backup"} 0`,
		`lodastack_agent_plugin_failures_total{namespace="ns.one",repo="acme/backup"} 0`,
		`lodastack_agent_plugin_interval_seconds{namespace="ns.one",repo="acme/backup"} 0`,
		`lodastack_agent_plugin_last_run_timestamp_seconds{namespace="ns.one",repo="acme/backup"} 0`,
		`lodastack_agent_collector_failures_total{collector="QUEUE"} 0`,
		`lodastack_agent_collector_interval_seconds{collector="QUEUE"} 3600`,
		`lodastack_agent_http_answers_total{path="/post",code="200"} 0`,
		`lodastack_agent_http_answers_total{path="/post",code="503"} 0`,
		`lodastack_agent_http_answers_total{path="/update",code="403"} 0`,
	} {
		require.Contains(t, body, line+"\n")
	}
}

// Parts name their reasons if they drop points: each has its counter from
// the start only where this package knows it.
func TestEveryReasonForWhichTheAgentDropsPointsIsKnown(t *testing.T) {
	body := newAPITest(t).do(t, "GET", "/metrics", "").body
	named := regexp.MustCompile(`(?m)(?:Reason: +|\bDropped\w+ *= )"([a-z_]+)"`)
	found := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "configfile") {
			return err
		}
		content, err := os.ReadFile(path)
		for _, match := range named.FindAllSubmatch(content, -1) {
			found++
			require.Contains(t, body, `reason="`+string(match[1])+`"`, path)
		}
		return err
	}))
	require.Greater(t, found, 5)
}

func TestRegistryThatNeverAnsweredHasATime(t *testing.T) {
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(&apiOutput{}), agent.WithHostname("h"))
	require.NoError(t, err)
	recorder := httptest.NewRecorder()
	a.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	require.Contains(t, recorder.Body.String(), "\nlodastack_agent_registry_answer_timestamp_seconds 0\n")
	require.Contains(t, recorder.Body.String(), "\nlodastack_agent_registry_up 0\n")
}

func TestMetricsTellHowLongTheOldestPointWaits(t *testing.T) {
	test := newAPITest(t)
	test.output.set(func(o *apiOutput) { o.err = errors.New("away") })
	require.Equal(t, 200, test.do(t, "GET", pluginPath, ``).status) // its result waits
	age := regexp.MustCompile(`\nlodastack_agent_points_oldest_waiting_age_seconds (\S+)\n`)
	require.Eventually(t, func() bool {
		found := age.FindStringSubmatch(test.do(t, "GET", "/metrics", "").body)
		seconds, err := strconv.ParseFloat(found[1], 64)
		return err == nil && seconds > 0.1
	}, 10*time.Second, 10*time.Millisecond)
	test.output.set(func(o *apiOutput) { o.err = nil })
}

func TestMetricsCountWhatIsDropped(t *testing.T) {
	test := newAPITest(t)
	test.output.set(func(o *apiOutput) { o.err = &agent.PermanentError{Reason: "bad_topic", Err: errors.New("no topic")} })
	require.Equal(t, 200, test.do(t, "GET", pluginPath, ``).status)
	require.Eventually(t, func() bool {
		return strings.Contains(test.do(t, "GET", "/metrics", "").body,
			`lodastack_agent_points_dropped_total{namespace="ns.one",reason="bad_topic"} 1`+"\n")
	}, 10*time.Second, 10*time.Millisecond)
}

func TestMetricsSayThatNoServerTakesPointsWhichWaitOnDisk(t *testing.T) {
	test := newAPITest(t)
	show := func(first, second string) string {
		test.output.set(func(o *apiOutput) {
			o.details = agent.OutputDetails{
				Servers: []agent.ServerDetails{{Address: "a:1", State: first}, {Address: "b:1", State: second}},
				Disk:    &agent.DiskDetails{Points: 7, Bytes: 4096},
			}
		})
		return test.do(t, "GET", "/metrics", "").body
	}
	body := show("down", "trial")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, line := range []string{
		`lodastack_agent_output_up 0`,
		`lodastack_agent_output_server_up{server="a:1"} 0`,
		`lodastack_agent_output_server_up{server="b:1"} 0`,
		`lodastack_agent_output_disk_points 7`,
		`lodastack_agent_output_disk_bytes 4096`,
	} {
		require.Contains(t, body, line+"\n")
	}
	body = show("down", "unused")
	require.Contains(t, body, "lodastack_agent_output_up 1\n")
	require.Contains(t, body, "lodastack_agent_output_server_up{server=\"b:1\"} 1\n")
}
