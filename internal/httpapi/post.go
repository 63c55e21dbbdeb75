package httpapi

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/postbody"
)

// usualPointText is the usual size of a metric in a body, in bytes.
const usualPointText = 100

// postTimeout bounds how long a request waits until its metrics are safe. It waits for the
// write under way when it came, and for its own.
const postTimeout = 21 * time.Second

// postAnswer is what /post answers when the metrics are safe.
type postAnswer struct {
	Accepted int      `json:"accepted"` // metrics
	Refused  *Refused `json:"refused,omitempty"`
}

// readPoints reads a request's body. It takes the memory of the points from share.
type readPoints func(w http.ResponseWriter, r *http.Request, share *memoryShare) (Points, error)

func (a *api) servePost(w http.ResponseWriter, r *http.Request) error {
	posted, err := a.post(w, r, "ns", a.readPost)
	if err != nil {
		return err
	}
	return answer(w, postAnswer{posted.Accepted, posted.Refused})
}

// post delivers the points of a body to the namespace that a parameter names. Without an
// error they are safe.
func (a *api) post(w http.ResponseWriter, r *http.Request, parameter string, read readPoints) (Posted, error) {
	// If the server cannot, its own limit holds.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	posted, err := a.postBody(w, r, parameter, read)
	if err != nil {
		a.skipBody(r)
	}
	return posted, err
}

func (a *api) postBody(w http.ResponseWriter, r *http.Request, parameter string, read readPoints) (Posted, error) {
	namespace, err := a.postNamespace(r, parameter)
	if err != nil {
		return Posted{}, err
	}
	share := a.memory.share()
	defer share.free()
	points, err := read(w, r, share)
	if err != nil {
		return Posted{}, err
	}
	keepWriting(w, postTimeout)
	// Not the request's own context: the metrics count as long as they may be in
	// memory, even if the caller has left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), postTimeout)
	defer cancel()
	posted, err := a.agent.Post(ctx, namespace, points)
	if err != nil {
		return Posted{}, a.postProblem(err)
	}
	if points.Partly() {
		posted = points.partly.inItems(posted)
	}
	return posted, nil
}

// readPost reads the body of a request to /post.
func (a *api) readPost(w http.ResponseWriter, r *http.Request, share *memoryShare) (Points, error) {
	body, err := a.readBody(w, r, share)
	if err != nil {
		return Points{}, err
	}
	if strings.TrimSpace(body) == "" {
		return Points{}, problem(http.StatusBadRequest, `The body is empty. Send a JSON list of metrics: [{"name":"queue.length","value":7,"tags":{"queue":"in"}}].`)
	}
	meter := &pointMeter{share: share}
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "text/plain" {
		return pointsOf(body, readLines, meter.addOfLine, ""), nil
	}
	hint := ""
	if !strings.ContainsAny(body, "[{") {
		hint = " Line protocol needs Content-Type: text/plain."
	}
	return pointsOf(body, postbody.ReadJSON, meter.add, hint), nil
}

// readBodyText passes the points of a body to add, as [postbody.ReadJSON] does.
type readBodyText func(body string, add func(postbody.Point) error) error

// readLines reads line protocol with timestamps in any unit.
func readLines(body string, add func(postbody.Point) error) error {
	return postbody.ReadLines(body, 0, add)
}

// pointsOf returns the points of a body. count takes the memory of each. hint ends the error of a
// bad body.
func pointsOf(body string, read readBodyText, count func(postbody.Point) error, hint string) Points {
	each := func(add func(postbody.Point)) error {
		err := read(body, func(p postbody.Point) error {
			add(p)
			return count(p)
		})
		if err != nil && asProblem(err) == nil {
			return problem(http.StatusBadRequest, "%v. No metric of the body was accepted.%s", err, hint)
		}
		return err
	}
	return Points{Expected: len(body)/usualPointText + 1, Each: each}
}

// postProblem returns the answer if the metrics could not be sent.
func (a *api) postProblem(err error) error {
	p := asProblem(err)
	if p == nil {
		p = a.problemOf(err)
		if p != nil && p.Status == http.StatusBadRequest {
			p.Detail += ". No metric of the body was accepted."
		}
	}
	if p == nil {
		p = problem(http.StatusServiceUnavailable, "The metrics are not safe yet: send them again later. %v", err).retryAfter(5)
	}
	p.badMetrics = p.Status == http.StatusBadRequest
	return p
}
