package httpapi

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/postbody"
)

const (
	// usualPointText is the usual size of a metric in a body, in bytes.
	usualPointText = 100
	// pointsAtOnce is the number of points for which memory is taken at a time.
	pointsAtOnce = 16
)

// postTimeout bounds how long a request waits until its metrics are safe. It waits for the
// write under way when it came, and for its own.
const postTimeout = 21 * time.Second

// postAnswer is what /post answers when the metrics are safe.
type postAnswer struct {
	Accepted int      `json:"accepted"` // metrics
	Refused  *Refused `json:"refused,omitempty"`
}

func (a *api) servePost(w http.ResponseWriter, r *http.Request) error {
	// If the server cannot, its own limit holds.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	err := a.post(w, r)
	if err != nil {
		a.skipBody(r)
	}
	return err
}

func (a *api) post(w http.ResponseWriter, r *http.Request) error {
	namespace, err := a.postNamespace(r)
	if err != nil {
		return err
	}
	share := a.memory.share()
	defer share.free()
	points, err := a.readPoints(w, r, share)
	if err != nil {
		return err
	}
	keepWriting(w, postTimeout)
	// Not the request's own context: the metrics count as long as they may be in
	// memory, even if the caller has left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), postTimeout)
	defer cancel()
	posted, err := a.agent.Post(ctx, namespace, points)
	if err != nil {
		return a.postProblem(err)
	}
	return answer(w, postAnswer(posted))
}

// readPoints reads the request's body. It takes the memory of the points from share.
func (a *api) readPoints(w http.ResponseWriter, r *http.Request, share *memoryShare) (Points, error) {
	body, err := a.readBody(w, r, share)
	if err != nil {
		return Points{}, err
	}
	if strings.TrimSpace(body) == "" {
		return Points{}, problem(http.StatusBadRequest, `The body is empty. Send a JSON list of metrics: [{"name":"queue.length","value":7,"tags":{"queue":"in"}}].`)
	}
	read, hint := postbody.ReadJSON, ""
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "text/plain" {
		read = postbody.ReadLines
	} else if !strings.ContainsAny(body, "[{") {
		hint = " Line protocol needs Content-Type: text/plain."
	}
	each := func(add func(postbody.Point)) error {
		n := 0
		err := read(body, func(p postbody.Point) error {
			add(p)
			if n++; n%pointsAtOnce != 1 {
				return nil
			}
			return share.take(pointsAtOnce * pointMemory)
		})
		if err != nil && asProblem(err) == nil {
			return problem(http.StatusBadRequest, "%v. No metric of the body was accepted.%s", err, hint)
		}
		return err
	}
	return Points{Expected: len(body)/usualPointText + 1, Each: each}, nil
}

// postProblem returns the answer if the metrics could not be sent.
func (a *api) postProblem(err error) error {
	if p := asProblem(err); p != nil {
		return p
	}
	p := a.problemOf(err)
	if p != nil && p.Status == http.StatusBadRequest {
		p.Detail += ". No metric of the body was accepted."
	}
	if p == nil {
		p = problem(http.StatusServiceUnavailable, "The metrics are not safe yet: send them again later. %v", err).retryAfter(5)
	}
	return p
}
