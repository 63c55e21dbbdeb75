package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/datadir"
	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/stock"
)

// stopPatience is longer than an agent takes to stop.
const stopPatience = 15 * time.Second

func stop(c *call) error {
	c.configFlag()
	mode := c.flags.String("m", "normal", "`mode`: normal, or clean to remove all plugins and data as well")
	if err := c.parse(false); err != nil {
		return err
	}
	if *mode != "normal" && *mode != "clean" {
		return usageError{fmt.Sprintf("-m %s: there are the modes normal and clean", *mode)}
	}
	needed := []string{"agent.pidfile"}
	if *mode == "clean" {
		needed = append(needed, "agent.pluginsdir", "agent.datadir")
	}
	cfg, err := c.readKeys(needed...)
	if err != nil {
		return err
	}
	pid, err := pidfile.Running(cfg.Agent.PIDFile)
	if err == nil {
		err = stopProcess(pid, cfg.Agent.PIDFile)
	}
	switch {
	case err == nil:
		fmt.Fprintf(c.stdout, "the agent (process %d) has stopped\n", pid)
	case *mode == "clean" && errors.Is(err, pidfile.ErrNotRunning):
		fmt.Fprintln(c.stdout, err)
	default:
		return err
	}
	if *mode == "clean" {
		return clean(c, cfg)
	}
	return nil
}

// stopProcess ends the agent and waits for its end.
func stopProcess(pid int, path string) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	defer process.Release()
	if err := process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the agent (process %d) is another user's: stop it as root or as that user", pid)
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
	return fmt.Errorf("process %d (pid file %s) has not stopped within %v; look at its log, or end it with kill -9 %d", pid, path, stopPatience, pid)
}

// clean removes all plugins and data while no agent can start.
func clean(c *call, cfg stock.Config) (err error) {
	held, err := pidfile.Hold(cfg.Agent.PIDFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	// An agent with another pid file may have the same data.
	data, err := datadir.TakeExisting(cfg.DataDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	// The data directory is inside the other one by default, but may be a file
	// system of its own there.
	dirs := []string{cfg.DataDir(), cfg.Agent.PluginsDir}
	for _, dir := range dirs {
		emptied := safedir.Empty(dir)
		if emptied == nil && (dir == cfg.Agent.PluginsDir || cfg.Agent.DataDir != "") {
			fmt.Fprintf(c.stdout, "%s is empty\n", dir)
		}
		err = errors.Join(err, emptied)
	}
	return err
}
