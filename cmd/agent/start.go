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

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/cell"
	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/stock"
)

func startCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "start [-f FILE]", Short: "run the agent in the foreground", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Runs the agent in the foreground. SIGTERM and SIGINT stop it within 10 s; SIGHUP reloads the config, " +
			"and a config that cannot be used leaves the running one in force.",
		Annotations: exitCodes("0  the agent was stopped", "1  it could not start, or it ended with an error", "2  the command line is wrong"),
		RunE:        func(*cobra.Command, []string) error { return start(c) },
	}
	c.configFlag(command)
	return command
}

func start(c *call) (err error) {
	cfg, err := stock.ReadConfig(c.config)
	if err != nil {
		return wrongConfig(err)
	}
	// First of all, so that a signal always stops the agent cleanly once the
	// pid file names this process.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	pid, err := pidfile.Take(cfg.Agent.PIDFile)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = pid.Fail(err) // for agent stop; standard error and the log have it too
		}
		err = errors.Join(err, pid.Release())
	}()
	// If the reader of standard error or standard output goes away, SIGPIPE
	// ends the process by default. With a channel, which nobody reads, the
	// write fails instead. signal.Ignore would do so too, but plugins would
	// inherit it (telegraf#1531, node_exporter#587).
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

// ownMemory is the memory limit of the agent itself, in bytes, if systemd has
// delegated a cgroup to it. Plugins and git have their own limits.
const ownMemory = 256 << 20

// softMemory is the amount of memory, in bytes, above which the garbage
// collector works harder, so that the garbage of one large post is collected
// before the next. The memory in use stays below: it depends on the largest
// body, whose decoded metrics take several times its size, and on the buffer.
func softMemory(cfg stock.Config) int64 {
	const base, point = 16 << 20, 512
	return base + 5*cfg.API.MaxBody + point*int64(cfg.Output.BufferSize)
}

// sameRequest is how long a second signal counts as part of the first:
// timeout(1), for example, signals both the process and its group.
const sameRequest = 200 * time.Millisecond

// serve runs the service until a signal stops it.
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
				// A failure is in the log.
				go service.Reload(ctx)
			case ctx.Err() == nil:
				asked = time.Now()
				stop()
			case time.Since(asked) > sameRequest:
				return fmt.Errorf("a second signal (%v) killed the agent before it had stopped", s)
			}
		}
	}
}
