package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lodastack/agent/internal/event"
	"github.com/lodastack/agent/internal/waitgroup"
)

// partGrace returns how long a stop waits for a part that should have returned: for a write, for
// the store and for the posts (internal/delivery), and for Close of the output and of the plugin
// runner. Three of these follow one another, and are a part of the shutdown timeout.
func (c *fixed) partGrace() time.Duration { return min(time.Second, c.shutdownTimeout/8) }

// writeGrace returns how long a Write of the output may go on after its context has ended. It is
// shorter than the engine waits for it.
func (c *fixed) writeGrace() time.Duration { return c.partGrace() / 2 }

// stop ends everything: the producers of points first, then the output. It returns an error
// for everything that could not be ended or delivered in time.
func (a *Agent) stop(ctx context.Context) error {
	a.config.logger.Info("the agent stops", event.Attr(event.Stopping))
	var wrong []error
	failed := func(what string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("stop the agent: %s: %w", what, err))
		}
	}
	timeout, hang := a.config.shutdownTimeout, a.config.partGrace()
	stopping, cancel := context.WithTimeout(ctx, timeout-3*hang)
	defer cancel()
	// The producers get half of the time, so that the waiting points can be delivered.
	producing, cancel := context.WithTimeout(stopping, timeout/2)
	defer cancel()
	failed("the registry did not return", a.updates.Wait(producing))
	failed("watching the registry did not end", waitgroup.Wait(producing, &a.watches))
	failed("a collector or plugin did not return", a.schedule.Wait(producing))
	failed("a daemon, or a plugin's install, removal or call, did not end", a.plugins.Wait(producing))
	failed("a post did not return", a.delivery.StopWrites(producing))
	failed("deliver what waits", a.delivery.Close(stopping))
	failed("a write did not return", a.output.hanging.oldest())
	// An output that respects its context takes none of this time.
	closing, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	runner := make(chan error, 1) // in parallel with the output: if one hangs, the other still has its time
	go func() { runner <- a.runner.close(closing) }()
	failed("close the output", a.output.close(closing))
	failed("close the plugin runner", <-runner)
	return errors.Join(wrong...)
}
