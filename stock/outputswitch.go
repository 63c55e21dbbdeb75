package stock

import (
	"context"
	"sync"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/waitgroup"
)

// outputSwitch is an output that can be replaced by another one while the agent runs.
type outputSwitch struct {
	mu  sync.Mutex
	now *switchedOutput // guarded by mu
}

// switchedOutput is an output, and the writes to it that are under way.
type switchedOutput struct {
	agent.Output
	writes sync.WaitGroup
}

func newOutputSwitch(output agent.Output) *outputSwitch {
	return &outputSwitch{now: &switchedOutput{Output: output}}
}

// replace sends all further writes to next. It closes the former output once its writes
// have returned, or ctx has ended.
func (s *outputSwitch) replace(ctx context.Context, next agent.Output) error {
	s.mu.Lock()
	before := s.now
	s.now = &switchedOutput{Output: next}
	s.mu.Unlock()
	_ = waitgroup.Wait(ctx, &before.writes) // Close says so, too, if a write hangs
	return before.Close(ctx)
}

func (s *outputSwitch) current() agent.Output {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.Output
}

// Write writes to the current output.
func (s *outputSwitch) Write(ctx context.Context, b agent.Batch) error {
	s.mu.Lock()
	now := s.now
	now.writes.Add(1)
	s.mu.Unlock()
	defer now.writes.Done()
	return now.Write(ctx, b)
}

// Close closes the current output.
func (s *outputSwitch) Close(ctx context.Context) error { return s.current().Close(ctx) }

// InspectOutput inspects the current output.
func (s *outputSwitch) InspectOutput() (details agent.OutputDetails) {
	if inspector, ok := s.current().(agent.OutputInspector); ok {
		return inspector.InspectOutput()
	}
	return details
}
