package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// The parts of an agent may be foreign code. [New] wraps each of them once: registryPart,
// runnerPart, outputPart, storePart, collectFunc and loggerPart turn panics into errors,
// bound the calls that have no context, and know the optional interfaces of the part.
// Nothing else calls a part. Two kinds of calls are not bounded: those of a store, which only
// its own goroutine makes, and Enabled of a log handler, which each line of the log would pay.

// PanicError is the error of a part (a collector, an output, …) that panicked.
type PanicError struct {
	// Value that was given to panic.
	Value any
	// Stack of the goroutine, for a bug report.
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// recovered calls f, a call of a part, and returns its panic as an error.
func recovered(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: string(debug.Stack())}
		}
	}()
	return f()
}

// within calls f and waits for it no longer than ctx lasts.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- recovered(f) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loggerPart is a log handler whose Handle never blocks the agent: it drops records while
// Handle hangs, and those that make it panic. To the error of a part that
// panicked it adds the stack.
type loggerPart struct {
	slog.Handler
	calls *promptCalls // of all handlers of a logger
}

func newLogger(l *slog.Logger) *slog.Logger {
	return slog.New(loggerPart{l.Handler(), new(promptCalls)})
}

func (p loggerPart) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	_ = recovered(func() error { enabled = p.Handler.Enabled(ctx, level); return nil })
	return enabled
}

func (p loggerPart) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		err, _ := attr.Value.Any().(error)
		var panicked *PanicError
		if !errors.As(err, &panicked) {
			return true
		}
		r = r.Clone()
		r.AddAttrs(slog.String("stack", panicked.Stack))
		return false
	})
	return p.calls.call(func() error { return p.Handler.Handle(ctx, r) })
}

func (p loggerPart) WithAttrs(attrs []slog.Attr) slog.Handler {
	_ = recovered(func() error { p.Handler = p.Handler.WithAttrs(attrs); return nil })
	return p
}

func (p loggerPart) WithGroup(name string) slog.Handler {
	_ = recovered(func() error { p.Handler = p.Handler.WithGroup(name); return nil })
	return p
}
