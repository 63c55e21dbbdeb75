package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/internal/sandbox"
	"github.com/lodastack/agent/internal/sdnotify"
	"github.com/lodastack/agent/stock"
)

func startCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "start [-f FILE]", Short: "run the agent in the foreground", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Runs the agent in the foreground. SIGTERM and SIGINT stop it within 10 s; SIGHUP reloads the config, " +
			"and the running config stays in force if the new one cannot be used.",
		Annotations: exitCodes("0  the agent was stopped", "1  it could not start, or it ended with an error",
			"2  the command line is wrong", "3  it was told to stop, and stopped, but not cleanly", "78  the config is wrong"),
		RunE: func(*cobra.Command, []string) error { return start(c) },
	}
	c.configFlag(command)
	return command
}

func start(c *call) (err error) {
	systemd, err := sdnotify.FromEnvironment()
	if err != nil {
		fmt.Fprintln(c.stderr, "agent start:", err) // it may be asked all the same
	}
	defer systemd.Close()
	passed, err := passedListeners()
	if err != nil {
		return err
	}
	cfg, err := stock.ReadConfig(c.config)
	if err != nil {
		return exitError{exitConfig, wrongConfig(err)}
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
	stopPipes := surviveClosedPipes()
	defer stopPipes()
	limitMemory(c, cfg)
	started := askForTime(systemd)
	defer started()
	service, err := stock.NewServiceOn(c.config, passed)
	if err != nil {
		return configError(err)
	}
	d := &served{service: service, pid: pid, systemd: systemd, stderr: c.stderr, started: started}
	return d.run(signals)
}

// surviveClosedPipes lets a write fail if the reader of standard error or standard output has
// gone away, until the returned function is called. By default SIGPIPE ends the process.
func surviveClosedPipes() func() {
	// Nobody reads the channel. signal.Ignore would do, too, but plugins would
	// inherit it (telegraf#1531, node_exporter#587).
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	return func() { signal.Stop(pipes) }
}

// configError gives an error that is a fault of the config its exit code.
func configError(err error) error {
	if errors.As(err, new(*configfile.Error)) {
		return exitError{exitConfig, wrongConfig(err)}
	}
	return err
}

// passedListeners returns the sockets of systemd's socket activation.
func passedListeners() ([]net.Listener, error) {
	all, err := sdnotify.Listeners()
	if err != nil {
		return nil, err
	}
	listeners := make([]net.Listener, len(all))
	for i, listener := range all {
		if listener.Name != "api" {
			return nil, fmt.Errorf("systemd passes a socket named %q: the agent accepts only sockets named api (FileDescriptorName=api in the socket unit)", listener.Name)
		}
		listeners[i] = listener.Listener
	}
	return listeners, nil
}

// ownMemory is the memory limit of the agent itself, in bytes, if systemd has
// delegated a cgroup to it. Plugins and git have their own limits.
const ownMemory = 256 << 20

// limitMemory sets both limits.
func limitMemory(c *call, cfg stock.Config) {
	if err := sandbox.LimitOwnMemory(ownMemory); err != nil {
		fmt.Fprintln(c.stderr, "agent:", err)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory(cfg))
	}
}

// softMemory is the amount of memory, in bytes, above which the garbage
// collector works harder, so that the garbage of one large post is collected
// before the next. The memory in use stays below: it depends on the largest
// body, whose decoded metrics take several times its size, and on the buffer.
func softMemory(cfg stock.Config) int64 {
	const base, point = 16 << 20, 512
	return base + 5*cfg.API.MaxBody + point*int64(cfg.Output.BufferSize)
}
