package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/terminal"
)

func statusCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "status [-f FILE] [--json] [--check] [--watch [SECONDS]]", Short: "print the state of the running agent, problems first", DisableFlagsInUseLine: true, Args: arguments(0, 1),
		Long: "Prints the state of the running agent, problems first. With --check it prints one line for each problem, for monitoring systems. " +
			"With --watch it shows the state anew every 2 seconds, or every SECONDS, until Ctrl-C, also while no agent answers.",
		Example:     "agent status\nagent status --watch 5",
		Annotations: exitCodes("0  the agent answered; with --check: and nothing is wrong", "1  no agent answers; with --check: or something is wrong", "2  the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print the answer of /me/status")
	checks := command.Flags().Bool("check", false, "print only what is wrong; exit with 1 if anything is")
	watches := command.Flags().Bool("watch", false, "show the state anew every 2 seconds or every SECONDS")
	command.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case *watches && (*asJSON || *checks):
			return usageError{"--watch is for people: use it without --json and --check"}
		case *watches:
			return watch(c, args)
		case len(args) > 0:
			return usageError{fmt.Sprintf("unexpected argument %q", args[0])}
		}
		return status(c, *asJSON, *checks)
	}
	return command
}

func status(c *call, asJSON, checks bool) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	answer, s, err := client.status(context.Background())
	if err != nil {
		return err
	}
	wrong := s.Wrong()
	var text []byte
	switch {
	case asJSON:
		text = append(answer, '\n')
	case checks:
		text = checkText(wrong)
	default:
		text = statusText(s)
	}
	if _, err := c.stdout.Write(text); err != nil {
		return err
	}
	if checks && len(wrong) > 0 {
		return exitError{code: exitFailed}
	}
	return nil
}

// checkText returns a line for each thing that is wrong.
func checkText(wrong []string) []byte {
	if len(wrong) == 0 {
		return []byte("nothing is wrong\n")
	}
	var text bytes.Buffer
	for _, sentence := range wrong {
		fmt.Fprintln(&text, terminal.Clean(sentence))
	}
	return text.Bytes()
}
