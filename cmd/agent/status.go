package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/terminal"
)

func statusCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "status [-f FILE] [--json] [--check]", Short: "print the state of the running agent, problems first", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long:        "Prints the state of the running agent, problems first. With --check it prints one line for each problem, for monitoring systems.",
		Annotations: exitCodes("0  the agent answered; with --check: and nothing is wrong", "1  no agent answers; with --check: or something is wrong", "2  the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print the answer of /me/status")
	checks := command.Flags().Bool("check", false, "print only what is wrong; exit with 1 if anything is")
	command.RunE = func(*cobra.Command, []string) error { return status(c, *asJSON, *checks) }
	return command
}

func status(c *call, asJSON, checks bool) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	answer, err := client.get("/me/status")
	if err != nil {
		return err
	}
	var s agent.Status
	if err := json.Unmarshal(answer, &s); err != nil {
		return fmt.Errorf("the server at %s is not an agent: %w", client.where, err)
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
