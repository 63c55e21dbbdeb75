package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/explain"
)

func explainCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "explain [-f FILE] [--json] NAME", Short: "say why a measurement, a plugin or a namespace does not arrive", DisableFlagsInUseLine: true, Args: arguments(1, 1),
		Long: "Asks the running agent about NAME: a measurement (cpu.idle, PORT.sshd.22, RUN.orders), a plugin (PLUGIN.mysql, ORG/PROJECT or NS/ORG/PROJECT) or a namespace. " +
			"Prints who wants it, who makes it and how often, when it was last made, and where its points are, or the first reason why it does not arrive.",
		Example:     "agent explain cpu.idle\nagent explain PLUGIN.mysql",
		Annotations: exitCodes("0  it arrives, as far as the agent knows", "1  there is a reason why not, no agent answers, or nothing has this name", "2  the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print the answer of /me/explain")
	command.RunE = func(_ *cobra.Command, args []string) error { return explainName(c, args[0], *asJSON) }
	return command
}

// explainName prints what the running agent says of a name.
func explainName(c *call, name string, asJSON bool) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	content, err := client.get("/me/explain?" + url.Values{"name": {name}}.Encode())
	if err != nil {
		return err
	}
	var answer explain.Answer
	if err := json.Unmarshal(content, &answer); err != nil {
		return fmt.Errorf("the server at %s is not an agent: %w", client.where, err)
	}
	if asJSON {
		_, err = fmt.Fprintf(c.stdout, "%s\n", content)
	} else {
		err = printSentences(c, answer.Sentences)
	}
	if err == nil && answer.Reason != "" {
		return exitError{code: exitFailed}
	}
	return err
}

func printSentences(c *call, sentences []string) error {
	for _, sentence := range sentences {
		if _, err := fmt.Fprintln(c.stdout, sentence); err != nil {
			return err
		}
	}
	return nil
}
