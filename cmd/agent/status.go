package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
)

func statusCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "status [-f FILE] [--json] [--check]", Short: "print the state of the running agent, problems first", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Annotations: exitCodes("0  the agent answered; with --check: and nothing is wrong", "1  no agent answers; with --check: or something is wrong", "2  the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print the answer of /me/status")
	checks := command.Flags().Bool("check", false, "exit with 1 if something is wrong")
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
	text := append(answer, '\n')
	if !asJSON {
		text = statusText(s)
	}
	if _, err := c.stdout.Write(text); err != nil {
		return err
	}
	if wrong := len(whatIsWrong(s, statusTime(s))); checks && wrong > 0 {
		return fmt.Errorf("something is wrong (%d)", wrong)
	}
	return nil
}
