package httpapi

import (
	"errors"
	"net/http"

	"github.com/lodastack/agent/internal/explain"
)

// maxName bounds the name that is asked for, in bytes.
const maxName = 1024

// serveExplain answers why a measurement, a plugin or a namespace does or does not arrive.
func (a *api) serveExplain(w http.ResponseWriter, r *http.Request) error {
	query, err := queryOf(r)
	if err != nil {
		return err
	}
	name := query.Get("name")
	switch {
	case name == "":
		return problem(http.StatusBadRequest, "The parameter name is missing: name a measurement, a plugin or a namespace.")
	case len(name) > maxName:
		return problem(http.StatusBadRequest, "The parameter name has %d bytes; nothing has a name of more than %d.", len(name), maxName)
	}
	explained, err := a.agent.Explain(name)
	var unknown *explain.UnknownError
	if errors.As(err, &unknown) {
		return problem(http.StatusNotFound, "%v", unknown)
	}
	if err != nil {
		return err
	}
	return answer(w, explained)
}
