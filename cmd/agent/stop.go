package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/stock"
)

// stopPatience is longer than an agent takes to stop.
const stopPatience = 15 * time.Second

func stopCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "stop [-f FILE] [-m normal|clean]", Short: "stop the running agent", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Stops the agent that holds the pid file of the config, and waits until it has ended. " +
			"With -m clean it also removes all plugins and the agent's data, undelivered points included, whether an agent runs or not.",
		Annotations: exitCodes("0  the agent has stopped", "1  no agent runs, or it did not stop cleanly", "2  the command line is wrong"),
	}
	c.configFlag(command)
	mode := command.Flags().StringP("mode", "m", "normal", "`normal|clean`: clean also removes plugins and data")
	_ = command.RegisterFlagCompletionFunc("mode", oneOf("normal", "clean"))
	command.RunE = func(*cobra.Command, []string) error { return stop(c, *mode) }
	return command
}

func stop(c *call, mode string) error {
	if mode != "normal" && mode != "clean" {
		return usageError{fmt.Sprintf("-m %s: there are the modes normal and clean", mode)}
	}
	needed := []string{"agent.pidfile"}
	if mode == "clean" {
		needed = append(needed, "agent.pluginsdir", "agent.datadir")
	}
	cfg, err := c.readKeys(needed...)
	if err != nil {
		return err
	}
	err = stopRunning(c, cfg.Agent.PIDFile)
	if mode != "clean" {
		return err
	}
	// The plugins and data are removed however the agent ended.
	switch {
	case errors.Is(err, pidfile.ErrNotRunning):
		fmt.Fprintln(c.stdout, err)
	case errors.As(err, new(uncleanError)):
		fmt.Fprintln(c.stderr, err)
	case err != nil:
		return err
	}
	return clean(c, cfg)
}

// uncleanError means that the agent has stopped, but not cleanly.
type uncleanError struct {
	pid    int
	reason string
}

func (e uncleanError) Error() string {
	return fmt.Sprintf("the agent (process %d) has stopped, but with an error: %s; its log says more", e.pid, e.reason)
}

// stopRunning stops the agent that holds the pid file and waits for its exit.
// The error is an uncleanError if the agent did not stop cleanly.
func stopRunning(c *call, path string) error {
	running, err := pidfile.Running(path)
	if err != nil {
		return err
	}
	defer running.Close()
	if err := stopProcess(running.PID, path); err != nil {
		return err
	}
	if reason := running.Failure(); reason != "" {
		return uncleanError{running.PID, reason}
	}
	_, err = fmt.Fprintf(c.stdout, "the agent (process %d) has stopped\n", running.PID)
	return err
}

// stopProcess stops the agent and waits for its exit.
func stopProcess(pid int, path string) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	defer process.Release()
	if err := process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the agent (process %d) belongs to another user: stop it as root or as that user", pid)
	} else if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(stopPatience); time.Now().Before(deadline); <-poll.C {
		if pidfile.Exited(pid) {
			return nil
		}
	}
	return fmt.Errorf("process %d (pid file %s) has not stopped within %v; look at its log, or kill it with kill -9 %d", pid, path, stopPatience, pid)
}

// clean removes all plugins and data. No agent can start meanwhile.
func clean(c *call, cfg stock.Config) (err error) {
	held, err := pidfile.Hold(cfg.Agent.PIDFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	// An agent with another pid file may have the same directories.
	owned, err := safedir.OwnExisting(
		safedir.Dir{Path: cfg.Agent.PluginsDir, Key: "agent.pluginsdir"},
		safedir.Dir{Path: cfg.DataDir(), Key: "agent.datadir"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owned.Close()) }()
	// By default the data directory is in the plugins directory, but it may be
	// another file system there.
	dirs := []string{cfg.DataDir(), cfg.Agent.PluginsDir}
	for _, dir := range dirs {
		emptied := owned.Empty(dir)
		if emptied == nil && (dir == cfg.Agent.PluginsDir || cfg.Agent.DataDir != "") {
			fmt.Fprintf(c.stdout, "%s is empty\n", dir)
		}
		err = errors.Join(err, emptied)
	}
	return err
}
