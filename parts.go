package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
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

// registryPart is the registry as the agent calls it.
type registryPart struct {
	registry  Registry
	names     []string       // of the members, or its own; empty: it has none
	reporters []reporterPart // of the members, if it is joined, as below
	watchers  []Watcher
	inspector RegistryInspector // nil: it tells nothing
	hanging   *hanging
}

// reporterPart is a registry that wants reports.
type reporterPart struct {
	name     string // of the registry among several; empty: it is the only one
	reporter Reporter
}

func newRegistryPart(r Registry) registryPart {
	inspector, _ := r.(RegistryInspector)
	part := registryPart{registry: r, inspector: inspector, hanging: new(hanging)}
	if several, ok := r.(*joined); ok {
		for _, m := range several.members {
			part.names = append(part.names, m.name)
			part.watchers = append(part.watchers, m.part.watchers...)
			for _, reports := range m.part.reporters {
				part.reporters = append(part.reporters, reporterPart{m.name, reports.reporter})
			}
		}
		return part
	}
	if named, ok := r.(fmt.Stringer); ok {
		part.names = []string{named.String()}
	}
	if reporter, ok := r.(Reporter); ok {
		part.reporters = []reporterPart{{"", reporter}}
	}
	if watcher, ok := r.(Watcher); ok {
		part.watchers = []Watcher{watcher}
	}
	return part
}

// without reports whether one of several registries, which once has assigned something, is
// not among them any more.
func (p registryPart) without(name string) bool {
	return name != "" && len(p.names) > 0 && !slices.Contains(p.names, name)
}

func (p registryPart) assignments(ctx context.Context, host Host) (answer []Assignment, err error) {
	err = recovered(func() (err error) {
		answer, err = p.registry.Assignments(ctx, host)
		return err
	})
	return answer, err
}

// watch calls changed when a watcher notices a change, until ctx ends.
func (p registryPart) watch(ctx context.Context, changed func(), logger *slog.Logger) {
	var all sync.WaitGroup
	for _, w := range p.watchers {
		all.Go(func() {
			if err := recovered(func() error { w.Watch(ctx, changed); return nil }); err != nil {
				logger.Error("changes of the registry come into force only at its updates", "error", err)
			}
		})
	}
	all.Wait()
}

// inspect returns nothing if the registry hangs.
func (p registryPart) inspect() RegistryDetails {
	if p.inspector == nil {
		return RegistryDetails{}
	}
	details, _ := ask(p.hanging, p.inspector.InspectRegistry) // the answer itself is good
	return details
}

// members returns the status of each of several registries.
func (p registryPart) members() []RegistryMember {
	if several, ok := p.registry.(*joined); ok {
		return several.memberStatus()
	}
	return nil
}

func (p reporterPart) report(ctx context.Context, r Report) error {
	return recovered(func() error { return p.reporter.Report(ctx, r) })
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
