package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/lodastack/agent/internal/delivery"
	"github.com/lodastack/agent/internal/event"
)

// Output receives the points and writes them to a queue, a file or another output. See
// [WithOutput].
type Output interface {
	// Write returns nil once the batch is safe: the receiver has acknowledged it. After
	// an error the agent retries later, unless the error is permanent (see
	// [Permanent]).
	//
	// It is called concurrently and returns soon after ctx has ended. If it does not,
	// the status says so, and the agent stores or retries the batch. The batch is
	// normalised, has at least one metric, and must not be changed.
	Write(ctx context.Context, b Batch) error
	// Close releases the output's resources, after the last Write has returned. It may
	// be called more than once.
	Close(ctx context.Context) error
}

// OutputFunc makes a function an [Output] without resources.
type OutputFunc func(ctx context.Context, b Batch) error

// Write calls f.
func (f OutputFunc) Write(ctx context.Context, b Batch) error { return f(ctx, b) }

// Close does nothing.
func (f OutputFunc) Close(context.Context) error { return nil }

// OutputInspector is an optional interface of an [Output] that reports its state. An output
// that wraps another one reports the state of both.
type OutputInspector interface {
	InspectOutput() OutputDetails
}

// OutputDetails is the state that an [OutputInspector] reports. Unknown fields are zero.
type OutputDetails struct {
	// Servers that the output writes to.
	Servers []ServerDetails `json:"servers,omitempty"`
	// Disk tells about points that are kept on disk.
	Disk *DiskDetails `json:"disk,omitempty"`
	// Topics that were written to, at most 256, in order of namespace.
	Topics []TopicDetails `json:"topics,omitempty"`
	// Problems has a sentence for each thing that a person should look at.
	Problems []string `json:"problems,omitempty"`
}

// TopicDetails tells about the last write to the topic of a namespace.
type TopicDetails struct {
	Namespace string `json:"ns"`
	Topic     string `json:"topic"`
	// Server that acknowledged the write, at Time.
	Server string    `json:"server"`
	Time   time.Time `json:"time"`
}

// ServerDetails tells about a server that points are sent to.
type ServerDetails struct {
	Address string `json:"address"`
	// State in a word, such as [ServerUp].
	State string `json:"state"`
	// LastError is the last failure; it stays when the server is up again.
	LastError string `json:"last_error,omitempty"`
	// Since is when the server entered State.
	Since time.Time `json:"since,omitzero"`
}

// States of a server in [ServerDetails].
const (
	// ServerUnused: no request was sent to it yet.
	ServerUnused = "unused"
	// ServerUp: its last request succeeded.
	ServerUp = "up"
	// ServerDown: it failed. It is retried after a pause.
	ServerDown = "down"
	// ServerTrial: it failed and answers again. It gets one request at a time until one
	// succeeds.
	ServerTrial = "trial"
)

// PermanentError is the error of a batch that an [Output] will never be able to write. The
// agent counts the batch as dropped and continues with the next.
type PermanentError struct {
	// Reason is a word for the count of dropped points, such as
	// "bad_topic". Empty stands for "refused".
	Reason string
	// Points is how many of the batch's points are refused where the others
	// are safe. Zero stands for all of them.
	Points int
	// Indexes are the positions in the batch of the refused points, in
	// ascending order, if the output knows them and others are safe. With
	// them, the agent tells each of several callers, whose metrics were written
	// together, what of theirs was refused.
	Indexes []int
	// Err says why, and preferably what to do about it: the status shows it.
	Err error
}

// Permanent marks an error of [Output.Write] as one after which a retry is useless.
func Permanent(err error) error { return &PermanentError{Reason: "refused", Err: err} }

func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the error that was marked as permanent.
func (e *PermanentError) Unwrap() error { return e.Err }

// asPermanent returns the permanent error in err, with its reason, or nil.
func asPermanent(err error) *PermanentError {
	var permanent *PermanentError
	if !errors.As(err, &permanent) {
		return nil
	}
	if permanent.Reason == "" {
		named := *permanent
		named.Reason = "refused"
		return &named
	}
	return permanent
}

// outputPart is the output as the agent calls it.
type outputPart struct {
	output    Output
	inspector OutputInspector // nil: it reports nothing
	logger    *slog.Logger
	grace     time.Duration // how long a Write may go on after its context has ended
	hanging   hangingWrites
	inspects  promptCalls
}

func newOutputPart(o Output, logger *slog.Logger, grace time.Duration) *outputPart {
	inspector, _ := o.(OutputInspector)
	return &outputPart{output: o, inspector: inspector, logger: logger, grace: grace}
}

// write writes a batch for the engine, to which a permanent error is a refusal.
func (p *outputPart) write(ctx context.Context, b delivery.Batch[Metric]) error {
	began := time.Now()
	err := p.writeWithin(ctx, Batch{b.Namespace, b.Points})
	if permanent := asPermanent(err); permanent != nil {
		return &delivery.Refusal{Reason: permanent.Reason, Points: permanent.Points, Indexes: permanent.Indexes, Err: err}
	}
	if err == nil && p.logger.Enabled(ctx, slog.LevelDebug) {
		p.logger.Debug("a batch was delivered", event.Attr(event.BatchDelivered), "namespace", b.Namespace, "points", len(b.Points), "took", time.Since(began))
	}
	return err
}

// writeWithin returns soon after ctx has ended, even if Write does not. Once a Write is known to
// hang, no other begins for its namespace. If it succeeds after all, the receiver gets the batch
// twice.
func (p *outputPart) writeWithin(ctx context.Context, b Batch) error {
	if err := p.hanging.of(b.Namespace); err != nil {
		return err
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- recovered(func() error { return p.output.Write(ctx, b) }) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(p.grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	p.hanging.add(b.Namespace, began)
	go func() {
		<-done
		p.hanging.remove(b.Namespace, began)
	}()
	return hangsError(b.Namespace, began)
}

// inspect returns the output's details, or a problem if it does not return any.
func (p *outputPart) inspect() (details OutputDetails) {
	if p.inspector != nil {
		var err error
		if details, err = askPromptly(&p.inspects, p.inspector.InspectOutput); err != nil {
			details.Problems = append(details.Problems, "the output does not report its state: "+err.Error())
		}
	}
	if err := p.hanging.oldest(); err != nil {
		details.Problems = append(slices.Clone(details.Problems), err.Error()+": its points wait until it does; if it never does, restart the agent")
	}
	return details
}

func (p *outputPart) close(ctx context.Context) error {
	return within(ctx, func() error { return p.output.Close(ctx) })
}
