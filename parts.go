package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
)

// The parts of an agent may be foreign code. [New] wraps each of them once: registryPart,
// runnerPart, outputPart, storePart, collectFunc and loggerPart turn panics into errors,
// bound the calls that have no context, and know the optional interfaces of the part.
// Nothing else calls a part.

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

// promptly bounds a call that has no context and should return at once.
const promptly = time.Second

var errHangs = fmt.Errorf("it has not returned within %s", promptly)

// hanging bounds calls that have no context. While one call hangs, no other is made, so
// callers do not wait or pile up.
type hanging struct{ calls atomic.Int32 }

// call calls f and waits at most a second for it. f may go on after that, so it must not
// write to variables that the caller reads.
func (h *hanging) call(f func() error) error {
	if h.calls.Load() > 0 {
		return errHangs
	}
	done := make(chan error, 1)
	go func() { done <- recovered(f) }()
	timer := time.NewTimer(promptly)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	h.calls.Add(1)
	go func() {
		<-done
		h.calls.Add(-1)
	}()
	return errHangs
}

// ask returns the result of f, unless f panics or hangs.
func ask[T any](h *hanging, f func() T) (answer T, err error) {
	answers := make(chan T, 1)
	if err := h.call(func() error { answers <- f(); return nil }); err != nil {
		return answer, err
	}
	return <-answers, nil
}

// loggerPart is a log handler that never blocks the agent: it drops records while
// the handler hangs, and those that make it panic. To the error of a part that
// panicked it adds the stack.
type loggerPart struct {
	slog.Handler
	hanging *hanging // one for all handlers of a logger
}

func newLogger(l *slog.Logger) *slog.Logger {
	return slog.New(loggerPart{l.Handler(), new(hanging)})
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
	return p.hanging.call(func() error { return p.Handler.Handle(ctx, r) })
}

func (p loggerPart) WithAttrs(attrs []slog.Attr) slog.Handler {
	return loggerPart{p.Handler.WithAttrs(attrs), p.hanging}
}

func (p loggerPart) WithGroup(name string) slog.Handler {
	return loggerPart{p.Handler.WithGroup(name), p.hanging}
}

// Parts are the parts that options name, nil if they name none. See [SplitOptions].
type Parts struct {
	Registry     Registry
	Output       Output
	Store        Store
	PluginRunner PluginRunner
}

// SplitOptions returns the parts that opts name, and one option for all the rest of opts. A
// program that runs an agent with foreign options makes only the missing parts, because two
// parts of one kind are an error, and can wrap the others. Faults of opts become errors of
// the returned option. [Agent.Reconfigure] takes the returned option, and ignores those of
// opts that are for New only.
func SplitOptions(opts ...Option) (Parts, Option) {
	named := defaultConfig()
	apply := func(c *config) error {
		c.registry, c.output, c.store, c.runner = nil, nil, nil, nil
		wrong := slices.DeleteFunc(c.apply(opts), func(err error) bool { return errors.As(err, new(*onlyNewError)) })
		return errors.Join(wrong...)
	}
	_ = apply(&named) // the option says it
	return Parts{Registry: named.registry, Output: named.output, Store: named.store, PluginRunner: named.runner}, func(c *config) error {
		was := *c
		err := apply(c)
		c.registry, c.output, c.store, c.runner = was.registry, was.output, was.store, was.runner
		return err
	}
}
