package agent

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/pluginargs"
)

const (
	// defaultRunTimeout and maxRunTimeout are those of /plugins/run.
	defaultRunTimeout = 10 * time.Second
	maxRunTimeout     = time.Hour
	// pluginUpdateTimeout bounds what /plugins/update waits for.
	pluginUpdateTimeout = 10 * time.Minute
	// maxRunOutput is how much of a run's output its caller gets, in bytes.
	maxRunOutput = 64 << 10
)

// runAnswer is what /plugins/run tells about a run, also one that failed.
type runAnswer struct {
	Result   RunResult `json:"result"`
	ExitCode int       `json:"exit_code"`
	// Duration is in seconds.
	Duration float64 `json:"duration"`
	// Output is the beginning of the standard output.
	Output    string `json:"output"`
	Truncated bool   `json:"truncated"`
}

func newRunAnswer(result PluginResult) *runAnswer {
	a := &runAnswer{Result: result.Result, ExitCode: result.ExitCode, Duration: result.Duration}
	output := result.Stdout
	if len(output) > maxRunOutput {
		output, a.Truncated = output[:maxRunOutput], true
	}
	a.Output = strings.ToValidUTF8(string(output), "\uFFFD")
	return a
}

func (api *httpAPI) servePlugins(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, api.agent.Plugins())
}

func (api *httpAPI) servePluginRun(w http.ResponseWriter, r *http.Request) error {
	query, namespace, repo, err := pluginQuery(r)
	if err != nil {
		return err
	}
	timeout, err := runTimeout(query.Get("timeout"))
	if err != nil {
		return err
	}
	args, err := pluginargs.Split(query.Get("param"))
	if err != nil {
		return problem(http.StatusBadRequest, "The parameter param: %v.", err)
	}
	keepWriting(w, timeout)
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	result, err := api.agent.RunPlugin(ctx, namespace, repo, args)
	if err == nil {
		return answer(w, newRunAnswer(result))
	}
	if p := problemOf(err); p != nil {
		return p
	}
	p := problem(http.StatusBadGateway, "The run failed: %v.", err)
	var failed *RunError
	if errors.As(err, &failed) && failed.Result == RunTimeout {
		p = problem(http.StatusGatewayTimeout, "The run was ended after %s: %v. The parameter timeout gives it more time.", timeout, err)
	}
	p.runAnswer = newRunAnswer(result)
	return p
}

func (api *httpAPI) servePluginUpdate(w http.ResponseWriter, r *http.Request) error {
	keepWriting(w, pluginUpdateTimeout)
	ctx, cancel := context.WithTimeout(r.Context(), pluginUpdateTimeout)
	defer cancel()
	_, namespace, repo, err := pluginQuery(r)
	if err != nil {
		return err
	}
	if err := api.agent.UpdatePlugin(ctx, namespace, repo); err != nil {
		if p := problemOf(err); p != nil {
			return p
		}
		return problem(http.StatusBadGateway, "The version that was there stays. %v", err)
	}
	return answer(w, done{"ok"})
}

func (api *httpAPI) servePluginEnable(w http.ResponseWriter, r *http.Request) error {
	return api.servePluginSwitch(w, r, api.agent.EnablePlugin)
}

func (api *httpAPI) servePluginDisable(w http.ResponseWriter, r *http.Request) error {
	return api.servePluginSwitch(w, r, api.agent.DisablePlugin)
}

func (api *httpAPI) servePluginSwitch(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, namespace, repo string) error) error {
	_, namespace, repo, err := pluginQuery(r)
	if err != nil {
		return err
	}
	if err := do(r.Context(), namespace, repo); err != nil {
		return err
	}
	return answer(w, done{"ok"})
}

// pluginQuery returns the request's parameters, those that name a plugin
// apart.
func pluginQuery(r *http.Request) (query url.Values, namespace, repo string, err error) {
	query, err = queryOf(r)
	if err != nil {
		return nil, "", "", err
	}
	namespace, repo = query.Get("ns"), query.Get("repo")
	if namespace == "" || repo == "" {
		return nil, "", "", problem(http.StatusBadRequest, "The parameters ns and repo are both needed: %s?ns=NAMESPACE&repo=ORG/PROJECT.", r.URL.Path)
	}
	return query, namespace, repo, nil
}

// runTimeout reads the parameter timeout, in seconds.
func runTimeout(s string) (time.Duration, error) {
	if s == "" {
		return defaultRunTimeout, nil
	}
	seconds, err := strconv.Atoi(s)
	if err != nil || seconds < 1 || seconds > int(maxRunTimeout/time.Second) {
		return 0, problem(http.StatusBadRequest, "The parameter timeout, %.20q, is not a number of seconds from 1 to %d.", s, int(maxRunTimeout/time.Second))
	}
	return time.Duration(seconds) * time.Second, nil
}
