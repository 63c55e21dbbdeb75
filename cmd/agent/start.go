package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/cell"
	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/stock"
)

func start(c *call) (err error) {
	c.configFlag()
	if err := c.parse(false); err != nil {
		return err
	}
	cfg, err := stock.ReadConfig(c.config)
	if err != nil {
		return wrongConfig(err)
	}
	// First of all, so that whoever stops the process that the pid file names
	// finds one that stops cleanly.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	pid, err := pidfile.Take(cfg.Agent.PIDFile)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = pid.Fail(err) // for agent stop; standard error and the log say it too
		}
		err = errors.Join(err, pid.Release())
	}()
	// Where the reader of standard error or standard output leaves, the default
	// is to end the process. With a channel that nobody reads, a write fails
	// instead, and plugins keep the default, which they would not with
	// signal.Ignore (telegraf#1531, node_exporter#587).
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	defer signal.Stop(pipes)

	if err := cell.LimitOwnMemory(ownMemory); err != nil {
		fmt.Fprintln(c.stderr, "agent:", err)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory(cfg))
	}
	service, err := stock.NewService(c.config)
	if err != nil {
		return err
	}
	return serve(service, signals, pid, c.stderr)
}

// ownMemory limits what the agent itself uses, in bytes, where systemd has
// delegated a cgroup to it. Plugins and git have limits of their own.
const ownMemory = 256 << 20

// softMemory is from how many bytes on the garbage collector works harder, so
// that a large post does not leave the garbage of the one before beside it. The
// memory that is in use stays below: it is bounded by the largest body, the
// decoded metrics of which take several times its size, and by the buffer.
func softMemory(cfg stock.Config) int64 {
	const base, point = 16 << 20, 512
	return base + 5*cfg.API.MaxBody + point*int64(cfg.Output.BufferSize)
}

// sameRequest is how soon after the first a second signal still is part of the
// same request: timeout(1), for example, signals the process and its group.
const sameRequest = 200 * time.Millisecond

// serve runs the service until a signal ends it.
func serve(service *stock.Service, signals <-chan os.Signal, pid *pidfile.File, stderr io.Writer) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	var asked time.Time
	for {
		select {
		case err := <-done:
			return err
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				if err := pid.Renew(); err != nil {
					fmt.Fprintf(stderr, "agent start: %v\n", err)
				}
				// The log has the reason where it fails.
				go service.Reload(ctx)
			case ctx.Err() == nil:
				asked = time.Now()
				stop()
			case time.Since(asked) > sameRequest:
				return fmt.Errorf("a second signal (%v) ended the agent before it had stopped", s)
			}
		}
	}
}
