package agent

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/postbody"
)

// maxNamespace is how long a namespace may be, in bytes. An output may take
// shorter ones only.
const maxNamespace = 255

// maxNamespaces is of how many namespaces points are taken, those of the host
// not counted in.
const maxNamespaces = 1000

const (
	// usualPointText is about how many bytes of a body a metric takes.
	usualPointText = 100
	// pointsAtOnce is for how many points memory is taken at a time.
	pointsAtOnce = 16
)

// postWait is how long a request waits for its metrics to be safe: for the
// write under way when it came, and for its own.
const postWait = 2*postTimeout + time.Second

// postAnswer is what /post answers when all is safe.
type postAnswer struct {
	Accepted int `json:"accepted"` // metrics
	// Refused tells which of them the output will never take, and are dropped.
	Refused *refusedMetrics `json:"refused,omitempty"`
}

// refusedMetrics is a [PartlyRefusedError] in an answer.
type refusedMetrics struct {
	Metrics int    `json:"metrics"`
	Reason  string `json:"reason"`
	Indexes []int  `json:"indexes,omitempty"`
	Shared  bool   `json:"shared,omitempty"`
	Error   string `json:"error"`
}

func (api *httpAPI) servePost(w http.ResponseWriter, r *http.Request) error {
	namespace, err := api.postNamespace(r)
	if err != nil {
		return err
	}
	metrics, free, err := api.readMetrics(w, r)
	defer free()
	if err != nil {
		return err
	}
	keepWriting(w, postWait)
	// Not the request's own context: as long as the metrics may be in memory,
	// they count, and a caller who leaves does not make room for another one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), postWait)
	defer cancel()
	var partial *PartlyRefusedError
	if err := api.agent.post(ctx, namespace, metrics); errors.As(err, &partial) {
		return answer(w, postAnswer{Accepted: len(metrics), Refused: &refusedMetrics{
			Metrics: partial.Points, Reason: partial.Reason, Indexes: partial.Indexes, Shared: partial.Shared, Error: partial.Error()}})
	} else if err != nil {
		return postProblem(err)
	}
	return answer(w, postAnswer{Accepted: len(metrics)})
}

// postNamespace returns the namespace that the request names, or that of the
// host where it has only one.
func (api *httpAPI) postNamespace(r *http.Request) (string, error) {
	query, err := queryOf(r)
	if err != nil {
		return "", err
	}
	namespace := query.Get("ns")
	if namespace == "" {
		own := api.agent.Namespaces()
		if len(own) != 1 {
			return "", problem(http.StatusBadRequest, "Name the namespace, /post?ns=NAMESPACE: the host has %d, and only with exactly one it may be left out.", len(own))
		}
		return own[0], nil
	}
	if len(namespace) > maxNamespace || checkName(namespace) != nil {
		return "", problem(http.StatusBadRequest, "The namespace %.100q is not 1 to %d characters of 0-9 A-Z a-z . _ -", namespace, maxNamespace)
	}
	if !api.hasRoomFor(namespace) {
		return "", problem(http.StatusForbidden, "Points of %d namespaces have come already, which is the most that this agent keeps accounts of,"+
			" and %.100q is none of them: post to a namespace of this host, or on another host.", maxNamespaces, namespace)
	}
	return namespace, nil
}

// hasRoomFor tells whether the namespace may have an account. Accounts are
// kept for ever: without a bound, posts to names that somebody makes up would
// fill the memory, and NSQ with topics.
func (api *httpAPI) hasRoomFor(namespace string) bool {
	if api.agent.delivery.Has(namespace) || slices.Contains(api.agent.Namespaces(), namespace) {
		return true
	}
	accounts, _ := api.agent.accounts()
	_, known := accounts[namespace]
	return known || len(accounts) < maxNamespaces
}

// readMetrics returns the metrics of the request's body. The caller calls free
// when it is done with them.
func (api *httpAPI) readMetrics(w http.ResponseWriter, r *http.Request) (metrics []Metric, free func(), err error) {
	share := api.memory.share()
	body, err := api.readBody(w, r, share)
	if err != nil {
		return nil, share.free, err
	}
	read := postbody.ReadJSON
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "text/plain" {
		read = postbody.ReadLines
	}
	if strings.TrimSpace(body) == "" {
		return nil, share.free, problem(http.StatusBadRequest, `The body is empty. Send a JSON list of metrics: [{"name":"queue.length","value":7,"tags":{"queue":"in"}}].`)
	}
	metrics = make([]Metric, 0, len(body)/usualPointText+1)
	err = read(body, func(p postbody.Point) error {
		metrics = append(metrics, Metric(p))
		if len(metrics)%pointsAtOnce != 1 {
			return nil
		}
		return share.take(pointsAtOnce * pointMemory)
	})
	if err != nil {
		return nil, share.free, bodyProblem(err)
	}
	return metrics, share.free, nil
}

// bodyProblem returns what to answer where the body could not be read.
func bodyProblem(err error) error {
	if p := problemOf(err); p != nil {
		return p
	}
	return problem(http.StatusBadRequest, "%v. Nothing of the body was taken.", err)
}

// postProblem returns what to answer where the metrics could not be sent.
func postProblem(err error) error {
	var bad *MetricError
	if errors.As(err, &bad) {
		return problem(http.StatusBadRequest, "%v. Nothing of the body was taken.", bad)
	}
	if asPermanent(err) != nil {
		return problem(http.StatusBadRequest, "The output will never take this: %v.", err)
	}
	if p := problemOf(err); p != nil {
		return p
	}
	return problem(http.StatusServiceUnavailable, "The metrics are not safe yet: send them again later. %v", err).retryAfter(5)
}
