package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/pluginargs"
)

const (
	// defaultRunTimeout and maxRunTimeout bound a run of /plugins/run.
	defaultRunTimeout = 10 * time.Second
	maxRunTimeout     = time.Hour
	// pluginUpdateTimeout bounds how long /plugins/update and /plugins/rollback
	// wait.
	pluginUpdateTimeout = 10 * time.Minute
	// maxRunOutput is how much of a run's output its caller gets, in bytes.
	maxRunOutput = 64 << 10
)

// runAnswer is the answer of /plugins/run, also about a run that failed.
type runAnswer struct {
	Result   string `json:"result"`
	ExitCode int    `json:"exit_code"`
	// Duration is in seconds.
	Duration float64 `json:"duration"`
	// Output is the beginning of the standard output.
	Output    string `json:"output"`
	Truncated bool   `json:"truncated"`
}

func newRunAnswer(run Run) *runAnswer {
	a := &runAnswer{Result: run.Result, ExitCode: run.ExitCode, Duration: run.Duration}
	output := run.Stdout
	if len(output) > maxRunOutput {
		output, a.Truncated = output[:maxRunOutput], true
	}
	a.Output = strings.ToValidUTF8(string(output), "\uFFFD")
	return a
}

func (a *api) servePlugins(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, a.agent.Plugins())
}

func (a *api) servePluginRun(w http.ResponseWriter, r *http.Request) error {
	if a.config().NoCalls {
		return problem(http.StatusForbidden, "Plugins are not run on demand here: policy.calls is false in the agent's config.")
	}
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
	run, err := a.agent.RunPlugin(ctx, namespace, repo, args)
	keepWriting(w, 0) // a plugin that was killed may need long to end
	if err == nil {
		return answer(w, newRunAnswer(run))
	}
	switch p := a.problemOf(err); {
	case p == nil:
	case p.Status == http.StatusConflict:
		return problem(p.Status, "%v; nothing was started: try again when that run has ended", err)
	default:
		return p
	}
	p := problem(http.StatusBadGateway, "The run failed: %v.", err)
	if run.Result == RunTimeout {
		p = problem(http.StatusGatewayTimeout, "The run did not end within %s: %v. The parameter timeout gives it more time.", timeout, err)
	}
	p.runAnswer = newRunAnswer(run)
	return p
}

func (a *api) servePluginUpdate(w http.ResponseWriter, r *http.Request) error {
	return a.servePluginChange(w, r, a.agent.UpdatePlugin)
}

func (a *api) servePluginRollback(w http.ResponseWriter, r *http.Request) error {
	return a.servePluginChange(w, r, a.agent.RollbackPlugin)
}

// servePluginChange installs another version of a plugin.
func (a *api) servePluginChange(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, namespace, repo string) error) error {
	keepWriting(w, pluginUpdateTimeout)
	ctx, cancel := context.WithTimeout(r.Context(), pluginUpdateTimeout)
	defer cancel()
	_, namespace, repo, err := pluginQuery(r)
	if err != nil {
		return err
	}
	if err := do(ctx, namespace, repo); err != nil {
		if p := a.problemOf(err); p != nil {
			return p
		}
		return problem(http.StatusBadGateway, "The installed version stays. %v", err)
	}
	return answer(w, done{"ok"})
}

func (a *api) servePluginEnable(w http.ResponseWriter, r *http.Request) error {
	return a.servePluginSwitch(w, r, a.agent.EnablePlugin)
}

func (a *api) servePluginDisable(w http.ResponseWriter, r *http.Request) error {
	return a.servePluginSwitch(w, r, a.agent.DisablePlugin)
}

func (a *api) servePluginSwitch(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, namespace, repo string) error) error {
	_, namespace, repo, err := pluginQuery(r)
	if err != nil {
		return err
	}
	if err := do(r.Context(), namespace, repo); err != nil {
		return err
	}
	return answer(w, done{"ok"})
}

// pluginQuery returns the request's parameters, and separately those that name a plugin.
func pluginQuery(r *http.Request) (query url.Values, namespace, repo string, err error) {
	query, err = queryOf(r)
	if err != nil {
		return nil, "", "", err
	}
	namespace, repo = query.Get("ns"), withoutUser(query.Get("repo"))
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
