package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// problemError is an answer other than success, in the form of RFC 9457. Its
// type is about:blank, for which the title is that of the status.
type problemError struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail tells what went wrong here, and what the caller can do.
	Detail string `json:"detail"`
	// Run is what became of a plugin's run.
	*runAnswer

	retry int // seconds for the header Retry-After; 0: none
}

func (p *problemError) Error() string { return p.Detail }

// retryAfter tells the caller when to try again.
func (p *problemError) retryAfter(seconds int) *problemError {
	p.retry = seconds
	return p
}

// problem returns a problem with a formatted detail.
func problem(status int, format string, args ...any) *problemError {
	return &problemError{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Detail: fmt.Sprintf(format, args...),
	}
}

// problemOf returns the problem for errors that mean the same at all
// endpoints, nil for others.
func problemOf(err error) *problemError {
	var p *problemError
	var input *InputError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &input):
		return problem(http.StatusBadRequest, "%v", err)
	case errors.Is(err, ErrNoPlugin):
		return problem(http.StatusNotFound, "%v", err)
	case errors.Is(err, ErrPluginRunning):
		return problem(http.StatusConflict, "%v; nothing was started: try again when it has ended", err)
	case errors.Is(err, ErrNotRunning):
		return problem(http.StatusServiceUnavailable, "%v: try again in a few seconds", err).retryAfter(2)
	case errors.Is(err, ErrStopped):
		return problem(http.StatusServiceUnavailable, "%v: try again when it has been started anew", err).retryAfter(10)
	}
	return nil
}

// statusCallerLeft is what is counted where nobody waits for the answer.
const statusCallerLeft = 499

// answerError sends err as a problem, and returns the status.
func (api *httpAPI) answerError(w http.ResponseWriter, r *http.Request, err error) int {
	p := problemOf(err)
	if p == nil && errors.Is(err, context.Canceled) {
		return statusCallerLeft
	}
	if p == nil {
		// Not a fault of the caller, who cannot do anything with its inside.
		api.agent.config.logger.Error("an HTTP request failed", append([]any{"path", r.URL.Path, "error", err}, stackOf(err)...)...)
		p = problem(http.StatusInternalServerError, "The agent failed to answer; its log has the reason.")
	}
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false) // people read it in a terminal: & is no \u0026
	if err := encoder.Encode(p); err != nil {
		content.Reset()
		content.WriteString("{}\n")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(content.Bytes()) // a caller that went away wants no answer
	return p.Status
}

// keepWriting lets the answer of a request that takes long come later than the
// server's own time limit for answers.
func keepWriting(w http.ResponseWriter, d time.Duration) {
	// Where the server cannot, its limit holds.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + 10*time.Second))
}
