package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/stock"
)

func configCommand(c *call) *cobra.Command {
	return parent("config COMMAND", "print a sample config", configSampleCommand(c))
}

func configSampleCommand(c *call) *cobra.Command {
	return &cobra.Command{
		Use: "sample", Short: "print a config with every key, its meaning and its default", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Example: "agent config sample > /etc/agent.conf",
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(c.stdout, stock.SampleConfig())
			return err
		},
	}
}
