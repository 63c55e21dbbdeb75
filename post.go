package agent

import (
	"context"
	"fmt"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/topic"
)

// postPrefix begins the names of posted metrics.
const postPrefix = "RUN."

// Post sends metrics to a namespace, which need not be one of the host's own,
// but must make an NSQ topic: 1 to 64 of the characters a-z A-Z 0-9 . _ -.
// Their names become RUN.<name>. Nil means that they are safe: acknowledged by
// the output, or in the store. All are taken or none: a metric that cannot be
// sent makes the error a [*MetricError] that names the first such one. Only
// where the output refuses a part of them for good, and has taken the others,
// the error is a [*PartlyRefusedError].
//
// metrics are not changed. Post may be called before [Agent.Run]; after it
// the error is [ErrStopped].
func (a *Agent) Post(ctx context.Context, namespace string, metrics []Metric) error {
	return a.post(ctx, namespace, cloneMetrics(metrics))
}

// post is Post for metrics that belong to the agent.
func (a *Agent) post(ctx context.Context, namespace string, metrics []Metric) error {
	if err := topic.CheckNamespace("", namespace); err != nil {
		return &InputError{Err: err}
	}
	normalise := a.normaliser(postPrefix)
	good, bad := normalise.list(metrics)
	if len(bad) > 0 {
		return bad[0]
	}
	if len(good) == 0 {
		return nil
	}
	err := a.delivery.Write(ctx, delivery.Batch[Metric]{Namespace: namespace, Points: good})
	if err = asPostError(err, len(good)); err != nil {
		return fmt.Errorf("post %d metrics to namespace %.100q: %w", len(good), namespace, err)
	}
	return nil
}

// sendOwn puts metrics of the agent's own producers into the buffer, and
// returns those that cannot be sent.
func (a *Agent) sendOwn(namespace string, metrics []Metric) []*MetricError {
	normalise := a.normaliser("")
	good, bad := normalise.list(metrics)
	a.deliver(namespace, good)
	return bad
}

// deliver hands normalised metrics over, which nobody waits for.
func (a *Agent) deliver(namespace string, metrics []Metric) {
	a.delivery.Add(delivery.Batch[Metric]{Namespace: namespace, Points: metrics})
}
