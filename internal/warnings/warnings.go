// Package warnings keeps the last warnings and errors of a log, for people who look
// at the agent and not at its log.
package warnings

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept: about 300 KiB at most.
const (
	// Kept is how many records are kept.
	Kept          = 100
	maxMessage    = 500 // bytes
	maxValue      = 200 // bytes of an attribute's value
	maxAttributes = 10
)

// Record is a line of the log.
type Record struct {
	Time       time.Time         `json:"time"`
	Level      string            `json:"level"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Log keeps the last records of level warning and above. Its zero value has none. It
// is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	records []Record // guarded by mu; the oldest first
}

// Records returns what is kept, the newest first.
func (l *Log) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := slices.Clone(l.records)
	slices.Reverse(records)
	return records
}

func (l *Log) add(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) == Kept {
		l.records = slices.Delete(l.records, 0, 1)
	}
	l.records = append(l.records, r)
}

// Handler returns a handler that keeps the warnings and hands all records to next.
func (l *Log) Handler(next slog.Handler) slog.Handler { return handler{log: l, next: next} }

type handler struct {
	log   *Log
	next  slog.Handler
	attrs []slog.Attr // of With
	group string      // with a point at its end
}

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.log.add(h.record(r))
		if !h.next.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.next.Handle(ctx, r)
}

func (h handler) record(r slog.Record) Record {
	kept := Record{Time: r.Time, Level: r.Level.String(), Message: cut(r.Message, maxMessage), Attributes: make(map[string]string)}
	add := func(name string, a slog.Attr) bool {
		if len(kept.Attributes) < maxAttributes && a.Key != "" {
			kept.Attributes[cut(name+a.Key, maxValue)] = cut(a.Value.Resolve().String(), maxValue)
		}
		return true
	}
	for _, a := range h.attrs {
		add("", a)
	}
	r.Attrs(func(a slog.Attr) bool { return add(h.group, a) })
	return kept
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.next = h.next.WithAttrs(attrs)
	h.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		h.attrs = append(h.attrs, a)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h.next = h.next.WithGroup(name)
	h.group += name + "."
	return h
}

// cut bounds a text, which a poster or plugin may have written.
func cut(text string, most int) string {
	if len(text) <= most {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
