package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
)

func versionCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "version [--json]", Short: "print version, commit and Go version", DisableFlagsInUseLine: true, Args: arguments(0, 0),
	}
	asJSON := command.Flags().Bool("json", false, "print an object, also with branch and build time")
	command.RunE = func(*cobra.Command, []string) error {
		if *asJSON {
			return json.NewEncoder(c.stdout).Encode(agent.ReadBuild())
		}
		return version(c)
	}
	return command
}

func version(c *call) error {
	b := agent.ReadBuild()
	_, err := fmt.Fprintf(c.stdout, "agent %s\ncommit %s\nbuilt with %s\n", b.Version, b.Commit, b.GoVersion)
	return err
}
