package agent

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// overdueAfter is how late a collector or plugin may start. A busy host delays
// timers by seconds.
const overdueAfter = 30 * time.Second

// Check returns nil while the agent works: the schedule starts collectors and plugins in
// time, and delivery, registry and plugins answer. Otherwise the error says what does not
// work. A watchdog should rely on it. A registry, an output or a plugin that fails is not a
// fault of the agent, and no error here. An answer that takes longer than ctx is an error.
// Before Run there is nothing to check.
func (a *Agent) Check(ctx context.Context) error {
	select {
	case a.checking <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("check the agent: an earlier check has not returned: %w", ctx.Err())
	}
	checked := make(chan error, 1)
	go func() {
		defer func() { <-a.checking }()
		a.Status() // this and Oldest take every lock; they do not wait for parts that hang
		a.delivery.Oldest()
		checked <- a.checkSchedule()
	}()
	select {
	case err := <-checked:
		return err
	case <-ctx.Done():
		return fmt.Errorf("check the agent: its status cannot be read: %w", ctx.Err())
	}
}

func (a *Agent) checkSchedule() error {
	a.mu.Lock()
	schedule := a.schedule
	a.mu.Unlock()
	if schedule == nil {
		return nil
	}
	if late := schedule.Overdue(overdueAfter); len(late) > 0 {
		return fmt.Errorf("check the agent: not started in time: %s", strings.Join(late, ", "))
	}
	return nil
}
