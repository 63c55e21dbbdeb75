// Package httpapi serves an agent's HTTP API. The way of a request:
//
//	guard ──► endpoint ──► Agent (an interface) ──► answer
//	  │          │                                    │
//	  │          └─ post, write, otlp: body (bounded memory) ──► postbody, otlp
//	  └─ site, method, control
//
// The package knows an agent only by the interface [Agent]. Every failure on the way is an
// error, and one function turns errors into answers: in the form of RFC 9457, or as the clients of
// InfluxDB and OpenTelemetry expect them.
package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/page"
)

// api serves an agent's HTTP API.
type api struct {
	agent    Agent
	config   func() *Config // the one in force
	memory   *byteBudget    // of all posts together
	chunks   sync.Pool      // of *[chunkBytes]byte
	answers  answerCounts
	foreign  foreignNamespaces
	refusals refusals
	page     page.Files
}

// New returns a handler of the agent's API. It calls config whenever it needs the config,
// which may be another one each time, but never changes.
func New(agent Agent, config func() *Config) http.Handler {
	a := &api{agent: agent, config: config, page: page.New()}
	a.memory = newByteBudget(func() int64 { return max(memoryBodies*config().MaxBody, leastMemory) })
	a.chunks.New = func() any { return new([chunkBytes]byte) }
	mux := http.NewServeMux()
	for path, e := range a.endpoints() {
		pattern := path
		if path == "/" { // by itself, and not all that is below it
			pattern = "/{$}"
		}
		mux.Handle(pattern, a.guarded(path, e))
	}
	mux.Handle("/", a.guarded("other", endpoint{serve: a.serveNothing}))
	return mux
}

// endpoint is what is served under one path, for GET and POST alike.
type endpoint struct {
	// control is true if the endpoint changes what the agent does.
	control bool
	// effect is true if a request does more than read. HEAD is not allowed then,
	// because callers expect it to be harmless.
	effect bool
	// success is the status code of success; 0: 200.
	success int
	// fails are the status codes of failures that not every endpoint has.
	fails []int
	// serve answers. An error that it returns becomes the answer.
	serve func(w http.ResponseWriter, r *http.Request) error
	// errors is the form of errors; nil: that of RFC 9457.
	errors errorForm
}

// ok returns the status code of success.
func (e endpoint) ok() int { return cmp.Or(e.success, http.StatusOK) }

// methods returns the methods that the endpoint takes.
func (e endpoint) methods() []string {
	if e.effect {
		return []string{http.MethodGet, http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead, http.MethodPost}
}

// codes returns the status codes that the endpoint answers with.
func (e endpoint) codes() []int { return append([]int{e.ok(), 403, 500}, e.fails...) }

// endpoints returns the API by path. openapi.json describes it to callers.
func (a *api) endpoints() map[string]endpoint {
	reading := func(serve func(http.ResponseWriter, *http.Request) error, fails ...int) endpoint {
		return endpoint{serve: serve, fails: fails}
	}
	control := func(serve func(http.ResponseWriter, *http.Request) error, fails ...int) endpoint {
		return endpoint{control: true, effect: true, serve: serve, fails: fails}
	}
	return map[string]endpoint{
		"/":                 reading(a.servePage, 404),
		"/page.css":         reading(a.servePage, 404),
		"/page.js":          reading(a.servePage, 404),
		"/post":             {effect: true, serve: a.servePost, fails: []int{400, 408, 413, 415, 503}},
		"/write":            {effect: true, success: 204, serve: a.serveWrite("db", 400), fails: []int{400, 408, 413, 415, 503}, errors: influxdb1Error},
		"/api/v2/write":     {effect: true, success: 204, serve: a.serveWrite("bucket", 422), fails: []int{400, 408, 413, 415, 422, 503}, errors: influxdb2Error},
		"/v1/metrics":       {effect: true, serve: a.serveOTLP, fails: []int{400, 413, 415, 503}, errors: otlpError},
		"/ping":             {success: 204, serve: servePing, errors: influxdb1Error},
		"/health":           {serve: a.serveInfluxHealth, fails: []int{503}, errors: influxHealthError},
		"/update":           control(a.serveUpdate, 502, 503),
		"/me/ns":            reading(a.serveNamespaces),
		"/me/status":        reading(a.serveStatus),
		"/me/access":        reading(a.serveAccess),
		"/me/warnings":      reading(a.serveWarnings),
		"/me/points":        reading(a.servePoints, 400, 404),
		"/me/history":       reading(a.serveHistory, 400, 404),
		"/me/stream":        reading(a.serveStream, 400, 503),
		"/me/explain":       reading(a.serveExplain, 400, 404),
		"/plugins/list":     reading(a.servePlugins),
		"/plugins/run":      control(a.servePluginRun, 400, 404, 409, 502, 503, 504),
		"/plugins/update":   control(a.servePluginUpdate, 400, 404, 502, 503),
		"/plugins/rollback": control(a.servePluginRollback, 400, 404, 409, 502, 503),
		"/plugins/enable":   control(a.servePluginEnable, 400, 404),
		"/plugins/disable":  control(a.servePluginDisable, 400, 404),
		"/healthz":          reading(a.serveHealth, 503),
		"/readyz":           reading(a.serveReady, 503),
		"/metrics":          reading(a.serveMetrics),
		"/metrics/host":     reading(a.serveHostMetrics, 404),
		"/openapi.json":     reading(a.serveOpenAPI),
	}
}

// guarded returns a handler that authorizes a request and lets the endpoint serve it. It
// answers with the error of either.
func (a *api) guarded(path string, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		var c caller
		if e.control {
			c = a.callerOf(r, true)
		}
		code := e.ok()
		authorized, err := a.serve(w, r, e, c)
		if err != nil {
			code = a.answerError(w, r, e.errors, err)
		}
		a.answers.add(path, code)
		if code == http.StatusForbidden && !e.control {
			c = a.callerOf(r, false)
		}
		if e.control || code == http.StatusForbidden {
			a.audit(r, c, code, !authorized || code == http.StatusForbidden, err)
		}
	})
}

// serve authorizes and serves a request. A panic is an error like any other. The caller is
// known if the endpoint controls the agent.
func (a *api) serve(w http.ResponseWriter, r *http.Request, e endpoint, c caller) (authorized bool, err error) {
	defer func() {
		if value := recover(); value != nil {
			a.config().Logger.Error("an HTTP request panicked", "path", r.URL.Path, "panic", value, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	if err := a.authorize(w, r, e, c); err != nil {
		return false, err
	}
	authorized = true // also if a later call panics
	return authorized, e.serve(w, r)
}

// authorize returns why the request is refused, or nil.
func (a *api) authorize(w http.ResponseWriter, r *http.Request, e endpoint, c caller) error {
	if err := a.checkSite(r); err != nil {
		return err
	}
	if allowed := e.methods(); !slices.Contains(allowed, r.Method) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem(http.StatusMethodNotAllowed, "Use GET or POST; this API does not support the method %.20q.", r.Method)
	}
	if !e.control {
		return nil
	}
	if header := browserHeader(r.Header); header != "" && r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return problem(http.StatusMethodNotAllowed, "A browser made this request (%s), and a mere link could make it: browsers have to use POST here.", header)
	}
	return a.checkControl(c)
}

// queryOf returns the parameters in the request's address. It ignores those of a form in
// the body, because curl -d calls every body a form.
func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "The parameters in the address are malformed: %v. Percent-encode them.", err)
	}
	for _, name := range []string{"ns", "repo", "timeout", "param", "match", "limit", "rate", "status", "name", "db", "bucket", "precision"} {
		if len(query[name]) > 1 {
			return nil, problem(http.StatusBadRequest, "The parameter %s is given more than once.", name)
		}
	}
	return query, nil
}

// serveNothing answers for all other paths.
func (a *api) serveNothing(_ http.ResponseWriter, r *http.Request) error {
	return problem(http.StatusNotFound, "There is nothing at %.100q. GET /openapi.json lists all endpoints.", r.URL.Path)
}

// updateWait is how long /update may take to answer: the question under way, and then its own,
// of a minute each.
const updateWait = 2 * time.Minute

func (a *api) serveUpdate(w http.ResponseWriter, r *http.Request) error {
	keepWriting(w, updateWait)
	if err := a.agent.Update(r.Context()); err != nil {
		if p := a.problemOf(err); p != nil {
			return p
		}
		return problem(http.StatusBadGateway, "The assignments stay as they were, except those that the registry has answered. %v", err)
	}
	return answer(w, done{"ok"})
}

func (a *api) serveNamespaces(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, a.agent.Namespaces())
}

func (a *api) serveStatus(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, a.agent.Status())
}

// healthTimeout is how long the check of /healthz may take.
const healthTimeout = 5 * time.Second

// serveHealth answers whether the agent works.
func (a *api) serveHealth(w http.ResponseWriter, r *http.Request) error {
	if err := a.checkHealth(r); err != nil {
		return err
	}
	return answer(w, done{"ok"})
}

// checkHealth returns why the agent does not work, or nil.
func (a *api) checkHealth(r *http.Request) error {
	// A caller that closes its half of the connection after sending ends the request's
	// context, but still waits for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), healthTimeout)
	defer cancel()
	if err := a.agent.Check(ctx); err != nil {
		return problem(http.StatusServiceUnavailable, "%v", err)
	}
	return nil
}

func (a *api) serveReady(w http.ResponseWriter, _ *http.Request) error {
	if !a.agent.InForce() {
		return problem(http.StatusServiceUnavailable, "%s /me/status has the registry's last error.", notInForce).retryAfter(5)
	}
	return answer(w, done{"ready"})
}

// notInForce says why no assignments are in force yet.
const notInForce = "No assignments are in force yet: the registry has not answered since the start, and the agent remembers no earlier answer."

// done is the answer of an endpoint that has nothing else to return.
type done struct {
	Status string `json:"status"`
}

// answer sends value as JSON.
func answer(w http.ResponseWriter, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(content, '\n')) // the caller may have left
	return nil
}
