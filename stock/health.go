package stock

import (
	"context"
	"fmt"

	"github.com/lodastack/agent"
)

// Ready returns a channel that is closed once the HTTP API is served and the
// agent runs; see [agent.Agent.Started].
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Status returns the agent's status, unless that takes longer than ctx. It fails while no
// [Service.Run] is under way.
func (s *Service) Status(ctx context.Context) (status agent.Status, err error) {
	g, err := s.look(ctx)
	if err != nil {
		return status, err
	}
	answer := make(chan agent.Status, 1)
	go func() { answer <- g.agent.Status() }()
	select {
	case status = <-answer:
		return status, nil
	case <-ctx.Done():
		return status, fmt.Errorf("ask the agent for its status: %w", ctx.Err())
	}
}

// Check returns nil while the service works: its loop runs, the HTTP API is served and
// answers, and the agent works as [agent.Agent.Check] says. Otherwise the error says what
// does not work, at the latest when ctx ends. A reload under way delays it.
func (s *Service) Check(ctx context.Context) error {
	g, err := s.look(ctx)
	if err != nil {
		return err
	}
	return g.server.Check(ctx, "/healthz")
}

// look asks the goroutine of Run for the current generation.
func (s *Service) look(ctx context.Context) (*generation, error) {
	answer := make(chan *generation, 1)
	select {
	case s.looks <- answer:
		return <-answer, nil
	case <-s.done:
		return nil, agent.ErrStopped
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the service: its loop does not answer: %w", ctx.Err())
	}
}
