package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/topic"
)

// postPrefix begins the names of posted metrics.
const postPrefix = "RUN."

// Send sends metrics to a namespace under their own names. [Agent.Post] puts RUN. before the
// names, and otherwise does the same.
//
// The namespace need not be one of the host's own, but must be valid in an NSQ topic: 1 to 64
// of the characters a-z A-Z 0-9 . _ -. Nil means that the metrics are safe: acknowledged by
// the output, or in the store.
//
// All metrics are accepted or none. If a metric cannot be sent, the error is a [*MetricError]
// for the first one. For a bad namespace it is an [*InputError]. If the output refuses some
// metrics for good and has accepted the others, it is a [*PartlyRefusedError]. If the output
// refuses all of them for good, it wraps a [*PermanentError]. A retry is useless after these
// errors. After any other error the metrics may not be safe: send them again later.
//
// metrics are not changed. Send may be called before [Agent.Run]. The store is used only
// while the agent runs: before, Send fails if the output does not accept the metrics. After
// Run the error is [ErrStopped].
func (a *Agent) Send(ctx context.Context, namespace string, metrics []Metric) error {
	return a.send(ctx, namespace, "", cloneMetrics(metrics))
}

// Post is [Agent.Send] for metrics of other programs: as at /post of
// [Agent.Handler], their names become RUN.<name>, so that they cannot be mistaken
// for what the agent measures. Unlike /post, it takes every namespace that Send
// takes; [WithAPINamespaces] is for callers of the handler only.
func (a *Agent) Post(ctx context.Context, namespace string, metrics []Metric) error {
	return a.send(ctx, namespace, postPrefix, cloneMetrics(metrics))
}

// send sends metrics that belong to the agent, with prefix before their names: all of them or
// none.
func (a *Agent) send(ctx context.Context, namespace, prefix string, metrics []Metric) error {
	good, bad, err := a.normalisePost(namespace, prefix, metrics)
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		a.refusedPost.Store(newRefusedPost(namespace, prefix, bad[0], false))
		return bad[0]
	}
	return a.sendNormalised(ctx, namespace, prefix, good)
}

// sendGood sends those of the metrics that can be sent, and returns an error for each of the
// others.
func (a *Agent) sendGood(ctx context.Context, namespace, prefix string, metrics []Metric) ([]*MetricError, error) {
	good, bad, err := a.normalisePost(namespace, prefix, metrics)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		a.refusedPost.Store(newRefusedPost(namespace, prefix, bad[0], true))
	}
	return bad, a.sendNormalised(ctx, namespace, prefix, good)
}

// normalisePost normalises the metrics of a post.
func (a *Agent) normalisePost(namespace, prefix string, metrics []Metric) (good []Metric, bad []*MetricError, err error) {
	if err := topic.CheckNamespace("", namespace); err != nil {
		return nil, nil, &InputError{Err: err}
	}
	normalise := a.normaliser(prefix)
	good, bad = normalise.list(metrics)
	return good, bad, nil
}

// sendNormalised sends normalised metrics.
func (a *Agent) sendNormalised(ctx context.Context, namespace, prefix string, good []Metric) error {
	if len(good) == 0 {
		return nil
	}
	began := time.Now()
	err := asPostError(a.delivery.Write(ctx, delivery.Batch[Metric]{Namespace: namespace, Points: good}), len(good))
	if wereTaken(err) {
		a.recent.AddPosted(namespace, prefix, len(good), recentPoints(namespace, good))
	}
	if logger := a.config.logger; err == nil && logger.Enabled(ctx, slog.LevelDebug) {
		logger.Debug("a post was taken", event.Attr(event.PostTaken), "namespace", namespace, "metrics", len(good), "took", time.Since(began))
	}
	if err != nil {
		return fmt.Errorf("send %d metrics to namespace %s: %w", len(good), namespace, err)
	}
	return nil
}

// InputError is the error of a call with invalid arguments.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.Err }

// PartlyRefusedError is the error of [Agent.Send] and [Agent.Post] if the output has refused
// some of the metrics for good. The others are safe and must not be posted again.
type PartlyRefusedError struct {
	// Points is the number of refused metrics. They are counted as dropped for Reason.
	Points int
	Reason string
	// Indexes are the positions of the refused metrics, if the output knows them.
	Indexes []int
	// Shared means that the metrics were written together with those of other posts,
	// and that it is unknown whose were refused. Points is then the largest possible
	// number.
	Shared bool
	Err    error
}

func (e *PartlyRefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the output's error.
func (e *PartlyRefusedError) Unwrap() error { return e.Err }

// asPostError returns the engine's error as Send and Post return it: a refusal of
// all metrics is the output's permanent error.
func asPostError(err error, metrics int) error {
	if errors.Is(err, delivery.ErrStopped) {
		return ErrStopped
	}
	var refusal *delivery.Refusal
	if !errors.As(err, &refusal) || refusal.Points == metrics && !refusal.Uncertain {
		return err
	}
	return &PartlyRefusedError{Points: refusal.Points, Reason: refusal.Reason, Indexes: refusal.Indexes, Shared: refusal.Uncertain, Err: refusal.Err}
}

// refusedPost is the last post of which a metric was refused, and all others with it unless
// partly is set. It shares no memory with the post.
type refusedPost struct {
	time                   time.Time
	namespace, name, error string
	partly                 bool
}

func newRefusedPost(namespace, prefix string, err *MetricError, partly bool) *refusedPost {
	const longest = 1024 // bytes of a name that anybody asks for
	name := strings.Clone(err.Name[:min(len(err.Name), longest)])
	text := err.Error()
	return &refusedPost{time.Now(), strings.Clone(namespace), prefix + name, strings.Clone(text[:min(len(text), longest)]), partly}
}

// wereTaken reports whether metrics, or some of them, are safe.
func wereTaken(err error) bool {
	var partly *PartlyRefusedError
	return err == nil || errors.As(err, &partly)
}
