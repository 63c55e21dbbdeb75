package agent

import "net/http"

// Handler returns the agent's HTTP API, to be mounted at the root of a server.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	return mux
}
