package httpapi

import (
	"net/http"

	"github.com/lodastack/agent/internal/warnings"
)

// servePage answers with a file of the page.
func (a *api) servePage(w http.ResponseWriter, r *http.Request) error {
	if !a.agent.Recent().Remembers() {
		return errNothingRemembered()
	}
	a.page[r.URL.Path].ServeHTTP(w, r)
	return nil
}

// serveAccess answers whether the caller may control the agent. Unlike a control call,
// the question is not in the audit log.
func (a *api) serveAccess(w http.ResponseWriter, r *http.Request) error {
	said := struct {
		Control bool   `json:"control"`
		Why     string `json:"why,omitempty"`
	}{Control: true}
	if err := a.checkControl(a.callerOf(r, true)); err != nil {
		said.Control, said.Why = false, err.Error()
	}
	return answer(w, said)
}

// warningsAnswer is what /me/warnings answers.
type warningsAnswer struct {
	Warnings []warnings.Record `json:"warnings"`
}

// serveWarnings answers with the last warnings of the log.
func (a *api) serveWarnings(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, warningsAnswer{append([]warnings.Record{}, a.agent.Warnings()...)})
}
