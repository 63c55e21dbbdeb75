package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/terminal"
)

// Seconds between two questions of --watch.
const (
	usualWatch   = 2
	longestWatch = 3600
)

// watch shows the state of the agent until Ctrl-C.
func watch(c *call, args []string) error {
	every, err := watchInterval(args)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	screen, err := terminal.NewScreen(os.Stdout, os.Getenv)
	if err != nil {
		return err
	}
	w := &watcher{client: client, every: every, began: time.Now()}
	if screen == nil {
		return w.run(ctx, nil, plainFrames(c))
	}
	resized, stopResized := terminal.Resized()
	defer stopResized()
	err = w.run(ctx, resized, func(text []byte) error { return screen.Show(painted(text)) })
	if closed := screen.Close(); err == nil && ctx.Err() == nil {
		err = closed
	}
	return err
}

// watchInterval returns the interval in the arguments, or the usual one.
func watchInterval(args []string) (time.Duration, error) {
	if len(args) == 0 {
		return usualWatch * time.Second, nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > longestWatch {
		return 0, usageError{fmt.Sprintf("--watch %s: write a whole number of seconds from 1 to %d", args[0], longestWatch)}
	}
	return time.Duration(n) * time.Second, nil
}

// painted returns the text for a screen: without control characters of others, and with
// colours if the user wants them.
func painted(text []byte) string {
	var to bytes.Buffer
	_, _ = terminal.NewWriter(paint(os.Stdout, &to)).Write(text) // to memory
	return to.String()
}

// plainFrames returns a function that prints texts one below the other, for a pipe or a dumb
// terminal.
func plainFrames(c *call) func(text []byte) error {
	between := ""
	return func(text []byte) error {
		_, err := fmt.Fprintf(c.stdout, "%s%s", between, text)
		between = strings.Repeat("-", 40) + "\n"
		return err
	}
}

// watcher asks the agent again and again.
type watcher struct {
	client *client
	every  time.Duration
	began  time.Time
	// answered is when the agent answered last; zero: not yet.
	answered time.Time
}

// run shows the state every interval until ctx ends, and the same one again when the window
// was resized.
func (w *watcher) run(ctx context.Context, resized <-chan os.Signal, show func(text []byte) error) error {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	text := w.text(ctx)
	for ctx.Err() == nil {
		if err := show(text); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-resized:
		case <-ticker.C:
			text = w.text(ctx)
		}
	}
	return nil
}

// text returns what to show now: the state of the agent, or why there is none.
func (w *watcher) text(ctx context.Context) []byte {
	_, s, err := w.client.status(ctx)
	now := time.Now()
	title := fmt.Sprintf("%s, every %v until Ctrl-C\n\n", now.Format(time.TimeOnly), w.every)
	if err == nil {
		w.answered = now
		return append([]byte(title), statusText(s)...)
	}
	since := fmt.Sprintf("It has not answered since this command began, %s ago.", terminal.Age(now.Sub(w.began)))
	if !w.answered.IsZero() {
		since = fmt.Sprintf("It answered %s ago for the last time.", terminal.Age(now.Sub(w.answered)))
	}
	return fmt.Appendf(nil, "%sWRONG\n  %s\n  %s\n", title, terminal.Clean(err.Error()), since)
}
