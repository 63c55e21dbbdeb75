package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
)

func versionCommand(c *call) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print version, commit and Go version", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error { return version(c) },
	}
}

func version(c *call) error {
	b := agent.ReadBuild()
	_, err := fmt.Fprintf(c.stdout, "agent %s\ncommit %s\nbuilt with %s\n", b.Version, b.Commit, b.GoVersion)
	return err
}
