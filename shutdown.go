package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/schedule"
)

// closeTimeout bounds how long the output and the plugin runner take to close.
const closeTimeout = time.Second

// running is what Run has started.
type running struct {
	schedule *schedule.Schedule
	updates  sync.WaitGroup // asks the registry
}

// stop ends everything: what produces points first, then what takes them
// away. It returns what could not be ended or delivered in time.
func (a *Agent) stop(ctx context.Context, r *running) error {
	a.config.logger.Info("the agent stops", event(EventStopping))
	var wrong []error
	failed := func(what string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("stop the agent: %s: %w", what, err))
		}
	}
	stopping, cancel := context.WithTimeout(ctx, a.config.shutdownTimeout)
	defer cancel()
	// What produces gets half of the time, so that what waits can be delivered.
	producing, cancel := context.WithTimeout(stopping, a.config.shutdownTimeout/2)
	defer cancel()
	failed("the registry did not return", errors.Join(schedule.Wait(producing, &r.updates), a.updater.wait(producing)))
	failed("a collector or plugin did not return", r.schedule.Wait(producing))
	failed("installing a plugin did not end", a.plugins.wait(producing))
	failed("a post did not return", a.delivery.StopWrites(producing))
	failed("deliver what waits", a.delivery.Close(stopping))
	// An output that respects its context takes none of this time.
	closing, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	failed("close the output", closeWithin(closing, a.config.output.Close))
	if runner, ok := a.config.runner.(interface{ Close(context.Context) error }); ok {
		failed("close the plugin runner", closeWithin(closing, runner.Close))
	}
	return errors.Join(wrong...)
}

// closeWithin calls the close of a part and waits for it no longer than ctx lasts.
func closeWithin(ctx context.Context, closePart func(context.Context) error) error {
	closed := make(chan error, 1)
	go func() { closed <- recovered(func() error { return closePart(ctx) }) }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
