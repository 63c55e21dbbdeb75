package httpapi

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
	// Detail says what went wrong, and what the caller can do.
	Detail string `json:"detail"`
	// runAnswer tells how a plugin's run went.
	*runAnswer

	retry      int  // seconds for the header Retry-After; 0: none
	badMetrics bool // the body has a metric that cannot be sent
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
func (a *api) problemOf(err error) *problemError {
	if p := asProblem(err); p != nil {
		return p
	}
	switch status := a.agent.ErrorStatus(err); status {
	case 0:
		return nil
	case http.StatusServiceUnavailable:
		return problem(status, "%v: try again in a few seconds", err).retryAfter(5)
	default:
		return problem(status, "%v", err)
	}
}

// asProblem returns the problem in err, or nil.
func asProblem(err error) *problemError {
	var p *problemError
	errors.As(err, &p)
	return p
}

// statusCallerLeft is counted if the caller has left before the answer.
const statusCallerLeft = 499

// errorForm returns what says a problem to the caller of r, if that is not the problem itself:
// a value for JSON, or bytes with their Content-Type in the header. It may set other headers, too.
type errorForm func(r *http.Request, header http.Header, p *problemError) any

// answerError sends err in the form, nil: as a problem. It returns the status.
func (a *api) answerError(w http.ResponseWriter, r *http.Request, form errorForm, err error) int {
	p := a.problemOf(err)
	if p == nil && errors.Is(err, context.Canceled) {
		return statusCallerLeft
	}
	if p == nil {
		// It is not the caller's fault, and the details would not help.
		a.config().Logger.Error("an HTTP request failed", "path", r.URL.Path, "error", err)
		p = problem(http.StatusInternalServerError, "The agent failed to answer; its log has the reason.")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	body := any(p)
	if form != nil {
		w.Header().Set("Content-Type", "application/json")
		body = form(r, w.Header(), p)
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(encodeError(body)) // the caller may have left
	return p.Status
}

// encodeError returns bytes as they are, and JSON of anything else.
func encodeError(body any) []byte {
	if encoded, done := body.([]byte); done {
		return encoded
	}
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false) // people read it in a terminal: & is no \u0026
	if err := encoder.Encode(body); err != nil {
		return []byte("{}\n")
	}
	return content.Bytes()
}

// keepWriting extends the server's time limit for the answer to a request that takes up to
// d.
func keepWriting(w http.ResponseWriter, d time.Duration) {
	// A server that cannot do this keeps its own limit.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + 10*time.Second))
}
