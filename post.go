package agent

import (
	"context"
	"errors"
	"fmt"
)

// postPrefix begins the names of posted metrics.
const postPrefix = "RUN."

// Post sends metrics to a namespace, which need not be one of the host's own.
// Their names become RUN.<name>. Nil means that they are safe: acknowledged by
// the output, or on disk. All are taken or none: a metric that cannot be sent
// makes the error a [*MetricError] that names the first such one.
//
// metrics are not changed. Post may be called before [Agent.Run]; after it
// the error is [ErrStopped].
func (a *Agent) Post(ctx context.Context, namespace string, metrics []Metric) error {
	return a.post(ctx, namespace, cloneMetrics(metrics))
}

// post is Post for metrics that belong to the agent.
func (a *Agent) post(ctx context.Context, namespace string, metrics []Metric) error {
	if namespace == "" {
		return &InputError{Err: errors.New("the namespace is empty")}
	}
	normalise := a.normaliser(postPrefix)
	good, bad := normalise.list(metrics)
	if len(bad) > 0 {
		return bad[0]
	}
	if len(good) == 0 {
		return nil
	}
	if err := a.posts.write(ctx, Batch{Namespace: namespace, Metrics: good}); err != nil {
		return fmt.Errorf("post %d metrics to namespace %.100q: %w", len(good), namespace, err)
	}
	return nil
}

// sendOwn puts metrics of the agent's own producers into the buffer, and
// returns those that cannot be sent.
func (a *Agent) sendOwn(namespace string, metrics []Metric) []*MetricError {
	normalise := a.normaliser("")
	good, bad := normalise.list(metrics)
	a.buffer.add(Batch{Namespace: namespace, Metrics: good})
	return bad
}
