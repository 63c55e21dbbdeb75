package agent

import (
	"context"
	"iter"
	"time"

	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/recent"
)

// Account is a balance of points. At all times
//
//	Accepted = Delivered + Waiting + the sum of Dropped
//
// Accepted, Delivered and Dropped never decrease.
type Account struct {
	// Accepted points are those the agent took responsibility for.
	Accepted int64 `json:"accepted"`
	// Delivered points were acknowledged by the receiver.
	Delivered int64 `json:"delivered"`
	// Waiting points are in memory or on disk, still to be delivered.
	Waiting int64 `json:"waiting"`
	// Dropped points are lost, counted by reason.
	Dropped map[string]int64 `json:"dropped,omitempty"`
}

// newDelivery makes the engine that delivers the points to the output. It calls claim before
// it reads the saved accounts.
func newDelivery(c config, output *outputPart, store *storePart, claim func()) *delivery.Engine[Metric] {
	d := delivery.Config[Metric]{
		Output:     output.write,
		BufferSize: c.bufferSize,
		Dir:        c.stateDir,
		Claim:      claim,
		Logger:     c.logger,

		ReturnTimeout: c.partGrace(),
	}
	if store != nil {
		d.Store = store
	}
	return delivery.New(d)
}

// accounts returns the balance of each namespace over all runs, and the sum of
// all.
func (a *Agent) accounts() (byNamespace map[string]Account, total Account) {
	accounts, sum := a.delivery.Accounts()
	byNamespace = make(map[string]Account, len(accounts))
	for namespace, account := range accounts {
		byNamespace[namespace] = Account(account)
	}
	return byNamespace, Account(sum)
}

// normaliseAndAdd puts metrics of the agent's own producers into the buffer, with prefix
// before their names, and returns those that cannot be sent.
func (a *Agent) normaliseAndAdd(namespace, prefix string, metrics []Metric) []*MetricError {
	normalise := a.normaliser(prefix)
	good, bad := normalise.list(metrics)
	a.addNormalised(namespace, good)
	return bad
}

// normaliseAndWrite is normaliseAndAdd for a caller that can wait: it returns once the metrics are safe,
// or soon after ctx has ended.
func (a *Agent) normaliseAndWrite(ctx context.Context, namespace, prefix string, metrics []Metric) []*MetricError {
	normalise := a.normaliser(prefix)
	good, bad := normalise.list(metrics)
	for len(good) > 0 {
		err := asPostError(a.delivery.Write(ctx, delivery.Batch[Metric]{Namespace: namespace, Points: good}), len(good))
		if wereTaken(err) {
			a.recent.Add(len(good), recentPoints(namespace, good))
			break
		}
		if asPermanent(err) != nil || !backoff.Pause(ctx, time.Second) {
			a.addNormalised(namespace, good) // the buffer counts what becomes of them
			break
		}
	}
	return bad
}

// addNormalised puts normalised metrics into the buffer. No caller waits for them.
func (a *Agent) addNormalised(namespace string, metrics []Metric) {
	a.recent.Add(len(metrics), recentPoints(namespace, metrics))
	a.delivery.Add(delivery.Batch[Metric]{Namespace: namespace, Points: metrics})
}

// addToAll puts a round of the host's measurements, which come every interval, into the buffer,
// for the namespace of each assignment.
func (a *Agent) addToAll(interval time.Duration, assignments []Assignment, metrics []Metric) {
	namespaces := make([]string, len(assignments))
	for i := range assignments {
		namespaces[i] = assignments[i].Namespace
	}
	a.recent.AddHost(interval, namespaces, recentPoints("", metrics))
	for _, namespace := range namespaces {
		a.delivery.Add(delivery.Batch[Metric]{Namespace: namespace, Points: metrics})
	}
}

// recentPoints are normalised metrics as internal/recent takes them.
func recentPoints(namespace string, metrics []Metric) iter.Seq[recent.Point] {
	return func(yield func(recent.Point) bool) {
		for i := range metrics {
			m := &metrics[i]
			if !yield(recent.Point{Namespace: namespace, Name: m.Name, Tags: m.Tags, Value: m.Value, Time: m.Timestamp}) {
				return
			}
		}
	}
}
