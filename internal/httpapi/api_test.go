package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// apiRegistry answers with its assignments, or with err.
type apiRegistry struct {
	mu          sync.Mutex
	assignments []agent.Assignment
	err         error
	asked       int
	hold        chan struct{} // nil: answers at once
}

func (r *apiRegistry) Assignments(ctx context.Context, _ agent.Host) ([]agent.Assignment, error) {
	r.mu.Lock()
	r.asked++
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.assignments, r.err
}

func (r *apiRegistry) set(change func(*apiRegistry)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// apiOutput keeps what is written, or fails with err.
type apiOutput struct {
	mu      sync.Mutex
	batches []agent.Batch
	err     error
	hold    chan struct{} // nil: answers at once
	details agent.OutputDetails
}

func (o *apiOutput) InspectOutput() agent.OutputDetails {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.details
}

func (o *apiOutput) Write(ctx context.Context, b agent.Batch) error {
	o.mu.Lock()
	hold := o.hold
	o.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.batches = append(o.batches, b)
	}
	return o.err
}

func (o *apiOutput) Close(context.Context) error { return nil }

func (o *apiOutput) set(change func(*apiOutput)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

// metrics returns what was written to a namespace under names that begin with
// RUN.
func (o *apiOutput) posted(namespace string) []agent.Metric {
	o.mu.Lock()
	defer o.mu.Unlock()
	var metrics []agent.Metric
	for _, b := range o.batches {
		for _, m := range b.Metrics {
			if b.Namespace == namespace && strings.HasPrefix(m.Name, "RUN.") {
				metrics = append(metrics, m)
			}
		}
	}
	return metrics
}

// apiRunner runs plugins by calling a function.
type apiRunner struct {
	run    func(ctx context.Context, p agent.Plugin, args []string) ([]byte, error)
	update func(ctx context.Context, p agent.Plugin) error
	// rollback is nil if there is an earlier version.
	rollback error
}

func (r *apiRunner) Install(context.Context, agent.Plugin) error { return nil }

func (r *apiRunner) Update(ctx context.Context, p agent.Plugin) error {
	if r.update == nil {
		return nil
	}
	return r.update(ctx, p)
}

func (r *apiRunner) Rollback(context.Context, agent.Plugin) error { return r.rollback }

func (r *apiRunner) Run(ctx context.Context, p agent.Plugin, args []string) ([]byte, error) {
	return r.run(ctx, p, args)
}

// apiTest is a running agent behind an HTTP server on loopback.
type apiTest struct {
	registry *apiRegistry
	output   *apiOutput
	runner   *apiRunner
	agent    *agent.Agent
	server   *httptest.Server
	described
}

// pluginRepo is assigned to the namespace ns.one, on demand only.
const pluginRepo = "acme/backup"

func newAPITest(t *testing.T, opts ...agent.Option) *apiTest {
	t.Helper()
	test := &apiTest{
		registry: &apiRegistry{assignments: []agent.Assignment{{
			Namespace: "ns.one",
			Plugins:   []agent.Plugin{{Name: "PLUGIN.backup", Repo: pluginRepo}},
		}}},
		output: &apiOutput{},
		runner: &apiRunner{run: func(context.Context, agent.Plugin, []string) ([]byte, error) { return []byte("done"), nil }},
	}
	var err error
	test.agent, err = agent.New(append([]agent.Option{
		agent.WithRegistry(test.registry), agent.WithOutput(test.output),
		agent.WithPluginRunner(test.runner), agent.WithHostname("web1.example.org"),
	}, opts...)...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- test.agent.Run(ctx) }()
	test.described = describedAPI(t)
	test.server = httptest.NewServer(test.agent.Handler())
	t.Cleanup(func() {
		test.server.Close()
		cancel()
		require.NoError(t, <-ended)
	})
	require.Eventually(t, func() bool {
		plugins := test.agent.Plugins()
		return len(plugins) == 1 && plugins[0].Installed
	}, 5*time.Second, time.Millisecond)
	return test
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// detail returns that of a problem.
func (a answer) detail(t *testing.T) string {
	t.Helper()
	var problem struct {
		Type, Title, Detail string
		Status              int
	}
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	require.NoError(t, json.Unmarshal([]byte(a.body), &problem), a.body)
	require.Equal(t, "about:blank", problem.Type)
	require.Equal(t, http.StatusText(a.status), problem.Title)
	require.Equal(t, a.status, problem.Status)
	require.NotEmpty(t, problem.Detail)
	return problem.Detail
}

// do sends a request; change may alter it.
func (test *apiTest) do(t *testing.T, method, path, body string, change ...func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequest(method, test.server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl -d does
	}
	for _, change := range change {
		change(request)
	}
	response, err := test.server.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	got := answer{response.StatusCode, response.Header, string(content)}
	test.check(t, request, got)
	return got
}

func TestAPIAnswersGetAndPostAtEveryEndpoint(t *testing.T) {
	test := newAPITest(t)
	plugin := "?ns=ns.one&repo=git@git.test.com:acme/backup.git"
	for path, body := range map[string]string{
		"/post?ns=ns.one":            `[{"name":"a","value":1}]`,
		"/update":                    "",
		"/me/ns":                     "",
		"/me/status":                 "",
		"/plugins/list":              "",
		"/plugins/run" + plugin:      "",
		"/plugins/update" + plugin:   "",
		"/plugins/rollback" + plugin: "",
		"/plugins/disable" + plugin:  "",
		"/plugins/enable" + plugin:   "",
		"/healthz":                   "",
		"/readyz":                    "",
		"/openapi.json":              "",
	} {
		for _, method := range []string{"GET", "POST"} {
			got := test.do(t, method, path, body)
			require.Equal(t, 200, got.status, "%s %s: %s", method, path, got.body)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.True(t, json.Valid([]byte(got.body)), got.body)
		}
		got := test.do(t, "DELETE", path, "")
		require.Equal(t, 405, got.status)
		require.Contains(t, got.header.Get("Allow"), "GET")
		require.Contains(t, got.detail(t), "GET or POST")
	}
}

func TestUpdateSaysOfAPartialAnswerOnlyWhatIsTrue(t *testing.T) {
	test := newAPITest(t)
	test.registry.set(func(r *apiRegistry) {
		r.assignments = append(r.assignments, agent.Assignment{Namespace: "ns.new"})
		r.err = &agent.PartialError{Namespaces: map[string]error{"ns.away": errors.New("no answer")}}
	})
	got := test.do(t, "POST", "/update", "")
	require.Equal(t, 502, got.status)
	require.Contains(t, test.agent.Namespaces(), "ns.new", "what was answered is in force")
	require.Contains(t, got.detail(t), "The assignments stay as they were, except those that the registry has answered. ")
	require.Contains(t, got.detail(t), "namespace ns.away: no answer")
}

func TestPostIsAnsweredWhenTheOutputHasTakenIt(t *testing.T) {
	test := newAPITest(t, agent.WithAPINamespaces("other.*"))
	got := test.do(t, "POST", "/post?ns=other.ns", `[
		{"name":"queue.length","timestamp":1700000000,"tags":{"queue":"in"},"value":7},
		{"name":"state","value":"ok"},
		{"name":"up","value":true}]`)
	require.Equal(t, 200, got.status, got.body)
	require.JSONEq(t, `{"accepted":3}`, got.body)
	metrics := test.output.posted("other.ns")
	require.Len(t, metrics, 3)
	require.Equal(t, agent.Metric{
		Name: "RUN.queue.length", Timestamp: 1700000000, Value: 7.0,
		Tags: map[string]string{"queue": "in", "host": "web1.example.org"},
	}, metrics[0])
	require.Equal(t, "ok", metrics[1].Value)
	require.Equal(t, true, metrics[2].Value)
}

func TestPostWithABadMetricTakesNothingAndNamesIt(t *testing.T) {
	test := newAPITest(t)
	got := test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1},{"name":"b c","value":1},{"name":"","value":1}]`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.detail(t), `metric 1 ("b c")`)
	require.Empty(t, test.output.posted("ns.one"))
}

func TestStatusHasTheVersionWhereEarlierAgentsHadIt(t *testing.T) {
	test := newAPITest(t, agent.WithBuild(agent.Build{Version: "v9.8.7"}))
	var status struct{ Version string }
	require.NoError(t, json.Unmarshal([]byte(test.do(t, "GET", "/me/status", "").body), &status))
	require.Equal(t, "v9.8.7", status.Version)
}

func TestPostIs503WhileTheOutputFails(t *testing.T) {
	test := newAPITest(t)
	test.output.set(func(o *apiOutput) { o.err = errors.New("no server answers") })
	got := test.do(t, "POST", "/post?ns=ns.one", `[{"name":"a","value":1}]`)
	require.Equal(t, 503, got.status)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	require.Contains(t, got.detail(t), "no server answers")
}
