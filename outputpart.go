package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/lodastack/agent/internal/delivery"
)

// outputPart is the output as the agent calls it.
type outputPart struct {
	output    Output
	inspector OutputInspector // nil: it tells nothing
	logger    *slog.Logger
	hanging   hanging
}

func newOutputPart(o Output, logger *slog.Logger) *outputPart {
	inspector, _ := o.(OutputInspector)
	return &outputPart{output: o, inspector: inspector, logger: logger}
}

// write writes a batch for the engine, to which a permanent error is a refusal.
func (p *outputPart) write(ctx context.Context, b delivery.Batch[Metric]) error {
	began := time.Now()
	err := recovered(func() error { return p.output.Write(ctx, Batch{b.Namespace, b.Points}) })
	if permanent := asPermanent(err); permanent != nil {
		return &delivery.Refusal{Reason: permanent.Reason, Points: permanent.Points, Indexes: permanent.Indexes, Err: err}
	}
	if err == nil && p.logger.Enabled(ctx, slog.LevelDebug) {
		p.logger.Debug("a batch was delivered", event(EventBatchDelivered), "namespace", b.Namespace, "points", len(b.Points), "took", time.Since(began))
	}
	return err
}

// inspect returns what the output tells, or that it does not.
func (p *outputPart) inspect() OutputDetails {
	if p.inspector == nil {
		return OutputDetails{}
	}
	details, err := ask(&p.hanging, p.inspector.InspectOutput)
	if err != nil {
		details.Problems = append(details.Problems, "the output does not tell how it fares: "+err.Error())
	}
	return details
}

func (p *outputPart) close(ctx context.Context) error {
	return within(ctx, func() error { return p.output.Close(ctx) })
}
