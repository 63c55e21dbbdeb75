package main

import (
	"fmt"

	"github.com/lodastack/agent"
)

func version(c *call) error {
	if err := c.parse(false); err != nil {
		return err
	}
	b := agent.ReadBuild()
	_, err := fmt.Fprintf(c.stdout, "agent %s\ncommit %s\nbuilt with %s\n", b.Version, b.Commit, b.GoVersion)
	return err
}
