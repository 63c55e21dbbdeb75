package agenttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// Program is what a fake plugin does. The zero value prints nothing and exits
// with 0.
type Program struct {
	// Print is written to standard output first.
	Print string
	// PrintArgs writes each argument as a line, after Print.
	PrintArgs bool
	// Takes is how long it runs after that. [Program.Script] rounds it up to
	// seconds.
	Takes time.Duration
	// Hang makes it run until it is killed.
	Hang bool
	// ExitCode is its exit status.
	ExitCode int
	// Format of its output and Mode, as it says itself (see [agent.PluginDetails]).
	Format, Mode string
}

// Script returns the program as a script for /bin/sh, for runners that run real
// programs.
func (p Program) Script() string {
	var s strings.Builder
	s.WriteString("#!/bin/sh\n")
	if p.Print != "" {
		fmt.Fprintf(&s, "printf %%s '%s'\n", strings.ReplaceAll(p.Print, "'", `'\''`))
	}
	if p.PrintArgs {
		s.WriteString("for arg in \"$@\"; do printf '%s\\n' \"$arg\"; done\n")
	}
	switch {
	case p.Hang:
		s.WriteString("while :; do sleep 60; done\n")
	case p.Takes > 0:
		fmt.Fprintf(&s, "sleep %d\n", (p.Takes+time.Second-1)/time.Second)
	}
	fmt.Fprintf(&s, "exit %d\n", p.ExitCode)
	return s.String()
}

// printed is what the program prints.
func (p Program) printed(args []string) []byte {
	stdout := []byte(p.Print)
	if p.PrintArgs {
		for _, arg := range args {
			stdout = append(stdout, arg+"\n"...)
		}
	}
	return stdout
}

// runDaemon does what the program does if it is a daemon.
func (p Program) runDaemon(ctx context.Context, args []string, output func(lines []byte) error) error {
	if lines := p.printed(args); len(lines) > 0 {
		if err := output(lines); err != nil {
			return err
		}
	}
	_, err := p.run(ctx, args)
	return err
}

// run does what the program does.
func (p Program) run(ctx context.Context, args []string) ([]byte, error) {
	stdout := p.printed(args)
	var ends <-chan time.Time // nil: the program hangs
	if !p.Hang {
		timer := time.NewTimer(p.Takes)
		defer timer.Stop()
		ends = timer.C
	}
	select {
	case <-ends:
	case <-ctx.Done():
		return stdout, &agent.RunError{Result: agent.RunTimeout, Err: errors.New("timed out")}
	}
	if p.ExitCode != 0 {
		return stdout, &agent.RunError{Result: agent.RunExit, ExitCode: p.ExitCode, Err: fmt.Errorf("exit status %d", p.ExitCode)}
	}
	return stdout, nil
}
