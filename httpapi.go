package agent

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Handler returns the agent's HTTP API, to be mounted at the root of a server
// or, with [http.StripPrefix], anywhere. /openapi.json describes it.
//
// Reading and posting are open to whoever reaches the server. What controls
// the agent (/update and /plugins/update, run, enable, disable) is for callers
// from a loopback address or a unix socket, for those with the token of
// [WithControlToken], and for those whose client certificate the server has
// verified; a request that a proxy relayed is never taken for a local one.
// Requests that a browser makes for another site, or under a name that is not
// the host's, are refused.
//
// The handler limits the size of bodies and the memory that they take
// together. Time limits for headers and idle connections, and the number of
// connections, are the server's.
func (a *Agent) Handler() http.Handler {
	api := &httpAPI{agent: a, config: a.config.api, memory: newByteBudget(max(memoryBodies*a.config.api.maxBody, leastMemory))}
	api.chunks.New = func() any { return new([chunkBytes]byte) }
	mux := http.NewServeMux()
	for path, e := range api.endpoints() {
		mux.Handle(path, api.guarded(path, e))
	}
	mux.Handle("/", api.guarded("other", endpoint{serve: api.serveNothing}))
	return mux
}

// httpAPI serves an agent's HTTP API.
type httpAPI struct {
	agent   *Agent
	config  apiConfig
	memory  *byteBudget // of all posts together
	chunks  sync.Pool   // of *[chunkBytes]byte
	answers answerCounts
}

// endpoint is what is served under one path, for GET and POST alike.
type endpoint struct {
	// control is true where the endpoint changes what the agent does.
	control bool
	// effect is true where a request does more than read: HEAD, which callers
	// take to be harmless, is no way to make one.
	effect bool
	// serve answers. An error that it returns becomes the answer.
	serve func(w http.ResponseWriter, r *http.Request) error
}

// methods returns those that the endpoint takes.
func (e endpoint) methods() []string {
	if e.effect {
		return []string{http.MethodGet, http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead, http.MethodPost}
}

// endpoints returns the API by path. openapi.json says the same to callers.
func (api *httpAPI) endpoints() map[string]endpoint {
	reading := func(serve func(http.ResponseWriter, *http.Request) error) endpoint { return endpoint{serve: serve} }
	control := func(serve func(http.ResponseWriter, *http.Request) error) endpoint {
		return endpoint{control: true, effect: true, serve: serve}
	}
	return map[string]endpoint{
		"/post":            {effect: true, serve: api.servePost},
		"/update":          control(api.serveUpdate),
		"/me/ns":           reading(api.serveNamespaces),
		"/me/status":       reading(api.serveStatus),
		"/plugins/list":    reading(api.servePlugins),
		"/plugins/run":     control(api.servePluginRun),
		"/plugins/update":  control(api.servePluginUpdate),
		"/plugins/enable":  control(api.servePluginEnable),
		"/plugins/disable": control(api.servePluginDisable),
		"/healthz":         reading(api.serveHealth),
		"/readyz":          reading(api.serveReady),
		"/metrics":         reading(api.serveMetrics),
		"/openapi.json":    reading(api.serveOpenAPI),
	}
}

// guarded returns a handler that lets through to the endpoint whom it is for,
// and answers with what goes wrong.
func (api *httpAPI) guarded(path string, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		err := recovered(func() error {
			if err := api.admit(w, r, e); err != nil {
				return err
			}
			return e.serve(w, r)
		})
		code := http.StatusOK
		if err != nil {
			code = api.answerError(w, r, err)
		}
		api.answers.add(path, code)
	})
}

// admit returns why the request may not have the endpoint, or nil.
func (api *httpAPI) admit(w http.ResponseWriter, r *http.Request, e endpoint) error {
	if err := api.checkSite(r); err != nil {
		return err
	}
	if allowed := e.methods(); !slices.Contains(allowed, r.Method) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem(http.StatusMethodNotAllowed, "Use GET or POST; the method %.20q is none of this API.", r.Method)
	}
	if e.control {
		return api.checkControl(r)
	}
	return nil
}

// queryOf returns the parameters of the request's address. Those of a form in
// its body are none: curl -d calls every body a form.
func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "The parameters in the address are malformed: %v. Percent-encode them.", err)
	}
	for _, name := range []string{"ns", "repo", "timeout", "param"} {
		if len(query[name]) > 1 {
			return nil, problem(http.StatusBadRequest, "The parameter %s is given more than once.", name)
		}
	}
	return query, nil
}

// serveNothing answers for all other paths.
func (api *httpAPI) serveNothing(_ http.ResponseWriter, r *http.Request) error {
	return problem(http.StatusNotFound, "There is nothing at %.100q. GET /openapi.json lists what there is.", r.URL.Path)
}

func (api *httpAPI) serveUpdate(w http.ResponseWriter, r *http.Request) error {
	keepWriting(w, updateTimeout)
	if err := api.agent.Update(r.Context()); err != nil {
		if p := problemOf(err); p != nil {
			return p
		}
		return problem(http.StatusBadGateway, "What was assigned before stays in force. %v", err)
	}
	return answer(w, done{"ok"})
}

func (api *httpAPI) serveNamespaces(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, api.agent.Namespaces())
}

func (api *httpAPI) serveStatus(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, api.agent.Status())
}

// serveHealth answers as long as the process can answer at all.
func (api *httpAPI) serveHealth(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, done{"ok"})
}

func (api *httpAPI) serveReady(w http.ResponseWriter, _ *http.Request) error {
	if !api.agent.updater.currentStatus().InForce {
		return problem(http.StatusServiceUnavailable,
			"No assignments are in force yet: the registry has not answered since the start, and none are remembered. /me/status has its last error.").retryAfter(5)
	}
	return answer(w, done{"ready"})
}

// done is the answer of what has nothing else to say.
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
	_, _ = w.Write(append(content, '\n')) // a caller that went away wants no answer
	return nil
}
