package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lodastack/agent"
)

// Reload reads the config file again and puts it in force. Where that fails,
// what was in force stays so. It returns when that is done.
func (s *Service) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.reloads <- answer:
		return <-answer
	case <-s.done:
		return agent.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reload replaces the current generation by one of the config as it is now.
// fatal means that nothing runs any more.
func (s *Service) reload() (fatal bool, err error) {
	old, logger := s.current, s.log.logger
	cfg, values, err := readValues(s.path, s.given)
	if err != nil {
		return false, s.keep(old, err)
	}
	if was := old.config.Agent.PIDFile; cfg.Agent.PIDFile != was {
		return false, s.keep(old, fmt.Errorf("agent.pidfile: an agent that runs does not move from %s to %s, where agent stop would look for it; stop it with the former and start it with the latter", was, cfg.Agent.PIDFile))
	}
	if err := s.log.reopen(cfg.Log); err != nil {
		return false, s.keep(old, err)
	}
	adoptStatsd, discardStatsd, err := s.statsd.prepare(cfg.Statsd)
	if err != nil {
		return false, s.keep(old, err)
	}
	defer func() {
		if err != nil {
			discardStatsd()
		} else {
			adoptStatsd()
		}
	}()
	changed := old.values.changed(values)
	restart := slices.DeleteFunc(slices.Clone(changed), cfg.inPlace)
	if len(restart) == 0 {
		if err := s.adjust(old, cfg, values, changed); err != nil {
			return false, s.keep(old, err)
		}
		logger.Info("the config is reloaded: the agent and its plugins run on", "file", s.path, "changed", strings.Join(changed, " "))
		s.warn(cfg)
		return false, nil
	}
	logger.Warn("the agent is restarted in its process, which ends its plugins: these keys cannot change otherwise", "keys", strings.Join(restart, " "))
	next, err := s.prepare(cfg, values, old.listeners)
	if err != nil {
		return false, s.keep(old, err)
	}
	return s.replace(old, next)
}

// keep says why the config is not reloaded, and logs as before.
func (s *Service) keep(old *generation, err error) error {
	s.log.logger.Error("the config is not reloaded: the one before stays in force", "error", err)
	return errors.Join(err, s.log.reopen(old.config.Log))
}

// replace stops the old generation, which delivers or keeps what it has, and
// starts the next. The next cannot be built before: both have one spool.
func (s *Service) replace(old, next *generation) (fatal bool, err error) {
	logger := s.log.logger
	back, err := s.prepare(old.config, old.values, old.listeners)
	if err != nil {
		return false, errors.Join(s.keep(old, err), next.listeners.close())
	}
	if err := old.stop(func() error { return nil }); err != nil {
		logger.Error("the agent before did not stop well", "error", err)
	}
	err = next.build(s)
	if err == nil {
		next.start(s)
		next.awaitStart()
		s.current = next
		old.listeners.removeFiles(next.listeners, s.passed)
		back.listeners.close()
		logger.Info("the config is reloaded", "file", s.path)
		s.warn(next.config)
		return false, nil
	}
	logger.Error("the config is not reloaded: the one before is in force again", "error", err)
	next.listeners.removeFiles(back.listeners, s.passed)
	s.log.reopen(old.config.Log)
	if again := back.build(s); again != nil {
		return true, fmt.Errorf("reload the config: %w; and the one before does not start any more: %w", err, again)
	}
	back.start(s)
	back.awaitStart()
	s.current = back
	return false, err
}
