package stock

import (
	"context"
	"fmt"
	"time"

	"github.com/lodastack/agent"
)

// adjustment is another config for an agent that runs on. What can fail of it is prepared.
type adjustment struct {
	next        generation
	adoptPolicy func()
	output      agent.Output // nil: the one before stays
	otherServer bool         // of the HTTP API
	undo        []func()     // for what is not put in force
}

// adjust puts cfg in force while the agent runs on. First it prepares everything that can
// fail, so that nothing has changed if something does. Files that the config names are read
// again even if no key has changed, as far as this ends nothing.
func (s *Service) adjust(old *generation, cfg Config, values values, changed []string) error {
	a, err := s.prepareAdjustment(old, cfg, values, changed)
	if err == nil {
		err = s.reconfigure(old.agent, cfg)
	}
	if err != nil {
		for _, undo := range a.undo {
			undo()
		}
		return err
	}
	s.commit(old, a)
	return nil
}

// prepareAdjustment prepares what can fail. What it has made until an error is in undo.
func (s *Service) prepareAdjustment(old *generation, cfg Config, values values, changed []string) (a *adjustment, err error) {
	a = &adjustment{next: *old, adoptPolicy: func() {}}
	a.next.config, a.next.values = cfg, values
	if old.agent.runner != nil {
		if a.adoptPolicy, err = old.agent.runner.PreparePolicy(cfg.Policy.policy()); err != nil {
			return a, err
		}
	}
	hasFiles := cfg.Output.TLS || cfg.Output.AuthSecretFile != ""
	if old.agent.output != nil && (hasFiles || changesAny(changed, outputKeys)) {
		if a.output, err = outputOf(cfg, s.log.logger); err != nil {
			return a, err
		}
		a.undo = append(a.undo, func() { _ = closeOutput(a.output) }) // it has not connected yet
	}
	a.otherServer = cfg.API.TLSCert != "" || changesAny(changed, serverKeys)
	if a.otherServer {
		prepared, err := s.prepare(cfg, values, old.listeners)
		if err != nil {
			return a, err
		}
		a.next.listeners, a.next.security = prepared.listeners, prepared.security
		a.undo = append(a.undo, func() { a.next.listeners.removeFiles(old.listeners, s.passed); _ = a.next.listeners.close() })
	}
	return a, nil
}

// reconfigure gives the agent its options anew. After an error none has changed.
func (s *Service) reconfigure(a *Agent, cfg Config) error {
	options, err := cfg.reconfigureOptions()
	if err != nil {
		return err
	}
	return a.Reconfigure(append(options, s.rest)...)
}

// commit puts what was prepared in force.
func (s *Service) commit(old *generation, a *adjustment) {
	a.adoptPolicy()
	old.agent.InstallPlugins()
	if a.output != nil {
		s.switchOutput(old.agent.output, a.output)
	}
	if a.otherServer {
		a.next.serve(s)
		s.endServer(old, a.next.listeners)
	}
	s.current = &a.next
	askAgain(old.agent)
}

// askAgain asks the registry, whose file may be what has changed, and waits a second for
// the answer. The agent itself reports an error.
func askAgain(a *Agent) {
	ctx, cancel := context.WithTimeout(context.Background(), registryPatience)
	defer cancel()
	_ = a.Update(ctx)
}

// registryPatience is how long a reload waits for the answer of the registry.
const registryPatience = time.Second

// switchOutput sends the points to next from now on.
func (s *Service) switchOutput(output *outputSwitch, next agent.Output) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := output.replace(ctx, next); err != nil {
		s.log.logger.Warn("the output before did not close well", "error", err)
	}
}

func closeOutput(output agent.Output) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return output.Close(ctx)
}

// endServer ends the server of the HTTP API that another one has replaced, which listens on
// those listeners.
func (s *Service) endServer(old *generation, now listeners) {
	if err := old.server.Stop(requestGrace); err != nil {
		s.log.logger.Warn("the HTTP server before did not stop well", "error", err)
	}
	old.listeners.removeFiles(now, s.passed)
	if err := old.server.Wait(requestPatience); err != nil {
		s.log.logger.Warn("the HTTP server before did not stop well", "error", fmt.Errorf("wait for its requests: %w", err))
	}
}
