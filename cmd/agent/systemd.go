package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/backoff"
	"github.com/lodastack/agent/internal/sdnotify"
)

const (
	// statusEvery is how often systemd gets a new STATUS= where no watchdog
	// asks for more.
	statusEvery = 30 * time.Second
	// longestStart is the time after which a start is no longer slow, but hangs.
	longestStart = 10 * time.Minute
	// extension is the time that a slow start asks for at a time.
	extension = 30 * time.Second
)

// askForTime asks systemd for more time until started is called, because checking a large
// spool takes time. Without systemd it does nothing.
func askForTime(systemd *sdnotify.Manager) (started func()) {
	if systemd == nil {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestStart)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ok := true; ok; ok = backoff.Pause(ctx, extension/3) {
			_ = systemd.Notify(sdnotify.ExtendTimeout(extension), sdnotify.Status("Starting."))
		}
	}()
	return func() { cancel(); <-done }
}

// watch feeds the watchdog of systemd while the service works, and reports its status, until
// ctx ends. After a failed check it tries again soon: the host may have been busy, or a
// reload under way.
func (d *served) watch(ctx context.Context) {
	timeout := d.systemd.WatchdogTimeout()
	every := statusEvery
	if timeout > 0 {
		every = timeout / 2
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := d.check(ctx, every/3)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			fmt.Fprintf(d.stderr, "agent start: %v\n", err)
			d.tell(sdnotify.Status("Does not work: " + err.Error()))
			timer.Reset(every / 15)
		default:
			messages := []string{sdnotify.Status(d.sentence(ctx))}
			if timeout > 0 {
				messages = append(messages, sdnotify.Watchdog)
			}
			d.tell(messages...)
			timer.Reset(every)
		}
	}
}

// check asks the service whether it works.
func (d *served) check(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return d.service.Check(ctx)
}

// sentence says what is wrong, and what the agent does.
func (d *served) sentence(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	status, err := d.service.Status(ctx)
	if err != nil {
		return err.Error()
	}
	d.mu.Lock()
	reloaded := d.reloaded
	d.mu.Unlock()
	return statusSentence(status, reloaded)
}

// statusSentence says first what is wrong. reloaded is why the last reload
// failed.
func statusSentence(s agent.Status, reloaded error) string {
	wrong := s.Wrong()
	if reloaded != nil && !errors.Is(reloaded, agent.ErrStopped) {
		wrong = append([]string{"the config is not reloaded: " + reloaded.Error()}, wrong...)
	}
	does := fmt.Sprintf("Collects for %s, runs %s; %s.",
		plural(len(s.Namespaces), "namespace"), plural(len(s.Plugins), "plugin"), waiting(s.Output.Total.Waiting))
	if len(wrong) == 0 {
		return does
	}
	return fmt.Sprintf("%d wrong: %s. %s", len(wrong), strings.TrimSuffix(wrong[0], "."), does)
}

// plural is a number with the word for what it counts.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func waiting(points int64) string {
	if points == 0 {
		return "no points wait"
	}
	return fmt.Sprintf("%d points wait", points)
}
