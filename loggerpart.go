package agent

import (
	"context"
	"log/slog"
)

// loggerPart is a log handler that loses records in place of holding the agent
// up: what goes on while the handler hangs, and what makes it panic.
type loggerPart struct {
	slog.Handler
	hanging *hanging // one for all handlers of a logger
}

func newLogger(l *slog.Logger) *slog.Logger {
	return slog.New(loggerPart{l.Handler(), new(hanging)})
}

func (p loggerPart) Handle(ctx context.Context, r slog.Record) error {
	return p.hanging.call(func() error { return p.Handler.Handle(ctx, r) })
}

func (p loggerPart) WithAttrs(attrs []slog.Attr) slog.Handler {
	return loggerPart{p.Handler.WithAttrs(attrs), p.hanging}
}

func (p loggerPart) WithGroup(name string) slog.Handler {
	return loggerPart{p.Handler.WithGroup(name), p.hanging}
}
