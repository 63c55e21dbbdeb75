package agent

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/lodastack/agent/internal/lineproto"
)

// NewWriterOutput returns an [Output] that writes line protocol to w, a batch
// in one Write. Closing it does not close w.
func NewWriterOutput(w io.Writer) Output { return &writerOutput{w: w} }

type writerOutput struct {
	mu      sync.Mutex
	w       io.Writer
	encoder lineproto.Encoder // guarded by mu
	buf     []byte            // guarded by mu
}

func (o *writerOutput) Write(_ context.Context, b Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = o.buf[:0]
	o.encoder.Begin()
	for _, m := range b.Metrics {
		var err error
		if o.buf, err = o.encoder.AppendPoint(o.buf, m.Name, m.Tags, m.Value, m.Timestamp); err != nil {
			return Permanent(err)
		}
	}
	if _, err := o.w.Write(o.buf); err != nil {
		return fmt.Errorf("write %d points: %w", len(b.Metrics), err)
	}
	return nil
}

func (o *writerOutput) Close(context.Context) error { return nil }
