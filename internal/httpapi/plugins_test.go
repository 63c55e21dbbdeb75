package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

const pluginPath = "/plugins/run?ns=ns.one&repo=git@git.test.com:acme/backup.git"

// runAnswer is what /plugins/run tells, also in a problem.
type runAnswer struct {
	Result    string
	ExitCode  int `json:"exit_code"`
	Output    string
	Truncated bool
}

func (a answer) run(t *testing.T) (r runAnswer) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.body), &r), a.body)
	return r
}

func TestRunTellsOutputAndResult(t *testing.T) {
	test := newAPITest(t)
	var args []string
	test.runner.run = func(_ context.Context, _ agent.Plugin, given []string) ([]byte, error) {
		args = given
		return []byte("all \xff done"), nil
	}
	got := test.do(t, "GET", pluginPath+"&param=-a%20%20-b", "")
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, runAnswer{Result: "ok", Output: "all \uFFFD done"}, got.run(t))
	require.Equal(t, []string{"-a", "-b"}, args)

	test.runner.run = func(context.Context, agent.Plugin, []string) ([]byte, error) {
		return []byte(strings.Repeat("x", 100<<10)), nil
	}
	got = test.do(t, "GET", pluginPath, "")
	require.Len(t, got.run(t).Output, 64<<10)
	require.True(t, got.run(t).Truncated)
}

// deadlines keeps the last write deadline that it was given.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last = t
	return nil
}

// The kernel may need long to end a plugin that was killed: the answer came as
// an empty reply, because the deadline of the run had passed.
func TestAnswerOfARunHasADeadlineOfItsOwn(t *testing.T) {
	test := newAPITest(t)
	request := httptest.NewRequest("POST", "http://127.0.0.1"+pluginPath+"&timeout=3600", nil)
	request.RemoteAddr = "127.0.0.1:40000"
	answer := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	var during time.Time
	test.runner.run = func(context.Context, agent.Plugin, []string) ([]byte, error) {
		during = answer.last
		return nil, nil
	}
	test.agent.Handler().ServeHTTP(answer, request)
	require.Equal(t, 200, answer.Code, answer.Body)
	require.WithinDuration(t, time.Now().Add(time.Hour), during, time.Minute)
	require.WithinDuration(t, time.Now().Add(10*time.Second), answer.last, 9*time.Second)
}

func TestRunThatFailsIs502AndOneThatIsEnded504(t *testing.T) {
	test := newAPITest(t)
	test.runner.run = func(context.Context, agent.Plugin, []string) ([]byte, error) {
		return []byte("half"), &agent.RunError{Result: agent.RunExit, ExitCode: 3, Err: errors.New("exit status 3")}
	}
	got := test.do(t, "GET", pluginPath, "")
	require.Equal(t, 502, got.status)
	require.Contains(t, got.detail(t), "exit status 3")
	require.Equal(t, runAnswer{Result: "exit", ExitCode: 3, Output: "half"}, got.run(t))

	test.runner.run = func(ctx context.Context, _ agent.Plugin, _ []string) ([]byte, error) {
		<-ctx.Done()
		return []byte("so far"), &agent.RunError{Result: agent.RunTimeout, Err: errors.New("timed out")}
	}
	got = test.do(t, "GET", pluginPath+"&timeout=1", "")
	require.Equal(t, 504, got.status)
	require.Contains(t, got.detail(t), "timeout")
	require.Equal(t, runAnswer{Result: "timeout", Output: "so far"}, got.run(t))

	test.runner.run = func(context.Context, agent.Plugin, []string) ([]byte, error) { panic("runner") }
	got = test.do(t, "GET", pluginPath, "")
	require.Equal(t, 502, got.status)
	require.NotContains(t, got.body, "goroutine", "no stack trace")
}

func TestPluginEndpointsSayWhatIsWrongWithTheirParameters(t *testing.T) {
	test := newAPITest(t)
	plugin := "ns=ns.one&repo=acme/backup"
	for _, path := range []string{"/plugins/run", "/plugins/update", "/plugins/rollback", "/plugins/enable", "/plugins/disable"} {
		for query, status := range map[string]int{
			"":                                         400,
			"ns=ns.one":                                400,
			"repo=acme/backup":                         400,
			"ns=ns.one&repo=":                          400,
			"ns=ns.one&repo=backup":                    400,
			"ns=ns.one&repo=acme/../backup":            400,
			"ns=ns.one&repo=-x/backup":                 400,
			"ns=ns.one&repo=acme/backup%0a":            200, // blanks around an address are none of it
			"ns=ns.one&repo=acme/back%00up":            400,
			"ns=ns.one&repo=file:///acme/backup":       400,
			plugin + "&ns=other":                       400,
			"ns=%zz":                                   400,
			"ns=ns.one&repo=acme/restore":              404,
			"ns=ns.one&repo=other/backup":              404,
			"ns=ns.two&repo=acme/backup":               404,
			"ns=../ns.one&repo=acme/backup":            404,
			plugin:                                     200,
			"ns=ns.one&repo=git@h:acme/backup":         200,
			"ns=ns.one&repo=https://h/acme/backup.git": 200,
		} {
			got := test.do(t, "POST", path+"?"+query, "")
			require.Equal(t, status, got.status, "%s?%s: %s", path, query, got.body)
			if status != 200 {
				got.detail(t)
			}
		}
	}
	for _, query := range []string{"&timeout=0", "&timeout=-1", "&timeout=x", "&timeout=1e9", "&timeout=3601", "&timeout=1.5",
		"&param=a%3Bb", "&param=%60id%60", "&param=a%7Cb", "&param=%3E/etc/passwd", "&param=a%26%26b", "&param=a%0Ab", "&param=a%00b"} {
		got := test.do(t, "GET", "/plugins/run?"+plugin+query, "")
		require.Equal(t, 400, got.status, query)
		got.detail(t)
	}
}

func TestThousandRunsOfOnePluginStartOne(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	test := newAPITest(t)
	started, end := make(chan struct{}, 1000), make(chan struct{})
	test.runner.run = func(context.Context, agent.Plugin, []string) ([]byte, error) {
		started <- struct{}{}
		<-end
		return nil, nil
	}
	test.server.Client().Transport.(*http.Transport).MaxConnsPerHost = 100
	answers := make(chan int, 1000)
	var calls sync.WaitGroup
	for range 1000 {
		calls.Go(func() { answers <- test.do(t, "GET", pluginPath, "").status })
	}
	for range 999 {
		require.Equal(t, 409, <-answers)
	}
	close(end)
	calls.Wait()
	require.Equal(t, 200, <-answers)
	require.Len(t, started, 1)
}

// One question was under way when the storm began; its answer may be older than the
// calls, so that they share the next.
func TestStormOfUpdatesSharesOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := &apiRegistry{hold: make(chan struct{})}
		a, err := agent.New(agent.WithRegistry(registry), agent.WithOutput(&apiOutput{}))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()
		synctest.Wait()
		handler := a.Handler()
		answers := make(chan int, 1000)
		for range 1000 {
			go func() {
				recorder := httptest.NewRecorder()
				request := httptest.NewRequest("POST", "http://localhost/update", nil)
				request.RemoteAddr = "127.0.0.1:999"
				handler.ServeHTTP(recorder, request)
				answers <- recorder.Code
			}()
		}
		synctest.Wait()
		close(registry.hold)
		for range 1000 {
			require.Equal(t, 200, <-answers)
		}
		require.Equal(t, 2, registry.asked)
		stop()
		require.NoError(t, <-ended)
	})
}

func TestUpdateTellsWhyTheRegistryDidNotAnswer(t *testing.T) {
	test := newAPITest(t)
	test.registry.set(func(r *apiRegistry) { r.err = errors.New("connection refused") })
	got := test.do(t, "GET", "/update", "")
	require.Equal(t, 502, got.status)
	require.Contains(t, got.detail(t), "connection refused")
}

func TestPluginUpdateTellsWhyItFailed(t *testing.T) {
	test := newAPITest(t)
	test.runner.update = func(context.Context, agent.Plugin) error { return errors.New("no such branch") }
	got := test.do(t, "POST", "/plugins/update?ns=ns.one&repo=acme/backup", "")
	require.Equal(t, 502, got.status)
	require.Contains(t, got.detail(t), "no such branch")
}

func TestRollbackTellsWhyItFailed(t *testing.T) {
	for _, c := range []struct {
		err    error
		repo   string
		status int
		detail string
	}{
		{fmt.Errorf("plugin acme/backup: %w", agent.ErrNoEarlierVersion), "acme/backup", 409, "there is no earlier version"},
		{&agent.PolicyError{Rule: "policy.plugins", Err: errors.New("refused by policy.plugins")}, "acme/backup", 502, "The installed version stays. roll back plugin ns.one/backup: refused by policy.plugins"},
		{nil, "acme/other", 404, "no such plugin"},
		{nil, "", 400, "/plugins/rollback?ns=NAMESPACE"},
	} {
		test := newAPITest(t)
		test.runner.rollback = c.err
		got := test.do(t, "POST", "/plugins/rollback?ns=ns.one&repo="+c.repo, "")
		require.Equal(t, c.status, got.status)
		require.Contains(t, got.detail(t), c.detail)
	}
}

func TestDisabledPluginIsListedAsSuch(t *testing.T) {
	test := newAPITest(t)
	list := func() (plugins []agent.PluginStatus) {
		require.NoError(t, json.Unmarshal([]byte(test.do(t, "GET", "/plugins/list", "").body), &plugins))
		return plugins
	}
	require.True(t, list()[0].Enabled)
	require.Equal(t, 200, test.do(t, "GET", "/plugins/disable?ns=ns.one&repo=acme/backup", "").status)
	require.False(t, list()[0].Enabled)
	require.Equal(t, 200, test.do(t, "GET", "/plugins/enable?ns=ns.one&repo=acme/backup", "").status)
	require.True(t, list()[0].Enabled)
}

func TestAProblemIsWrittenToBeReadInATerminal(t *testing.T) {
	test := newAPITest(t)
	require.Contains(t, test.do(t, "POST", "/plugins/disable?ns=ns.one", "").body, "/plugins/disable?ns=NAMESPACE&repo=ORG/PROJECT")
}
