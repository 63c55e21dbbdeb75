package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/pidfile"
	"github.com/lodastack/agent/stock"
)

// reloadTimeout is longer than a reload takes: the agent stops what it replaces
// within 10 s.
const reloadTimeout = 30 * time.Second

func reloadCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "reload [-f FILE]", Short: "make the running agent reload its config", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Checks the config, makes the agent that holds its pid file reload it, and waits until that is done. " +
			"If the config cannot be used, the running one stays in force.",
		Annotations: exitCodes("0  the config is in force", "1  it is not, or no agent runs", "2  the command line is wrong"),
		RunE:        func(*cobra.Command, []string) error { return reload(c) },
	}
	c.configFlag(command)
	return command
}

func reload(c *call) error {
	cfg, err := stock.ReadConfig(c.config)
	if err != nil {
		return wrongConfig(err)
	}
	running, err := pidfile.Running(cfg.Agent.PIDFile)
	if err != nil {
		return err
	}
	defer running.Close()
	before, _ := running.Reload()
	process, err := os.FindProcess(running.PID)
	if err != nil {
		return fmt.Errorf("signal process %d: %w", running.PID, err)
	}
	defer process.Release()
	if err := process.Signal(syscall.SIGHUP); errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the agent (process %d) belongs to another user: reload it as root or as that user", running.PID)
	} else if err != nil {
		return fmt.Errorf("signal process %d: %w", running.PID, err)
	}
	return awaitReload(c, running, before)
}

// awaitReload waits for the outcome of the reload after the one of this number.
func awaitReload(c *call, running *pidfile.Process, before int) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(reloadTimeout); time.Now().Before(deadline); <-poll.C {
		switch n, failure := running.Reload(); {
		case pidfile.Exited(running.PID):
			return fmt.Errorf("the agent (process %d) has ended; its log says more", running.PID)
		case n > before && failure != "":
			return fmt.Errorf("the agent (process %d) has not reloaded the config: %s", running.PID, failure)
		case n > before:
			_, err := fmt.Fprintf(c.stdout, "the agent (process %d) has reloaded the config\n", running.PID)
			return err
		}
	}
	return fmt.Errorf("the agent (process %d) has not reloaded the config within %v; look at its log", running.PID, reloadTimeout)
}
