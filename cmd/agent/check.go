package main

import (
	"fmt"

	"github.com/lodastack/agent/internal/safedir"
	"github.com/lodastack/agent/stock"
)

func check(c *call) error {
	c.configFlag()
	if err := c.parse(false); err != nil {
		return err
	}
	cfg, err := stock.ReadConfig(c.config)
	for _, warning := range cfg.Warnings {
		fmt.Fprintf(c.stderr, "%s: warning: %s\n", c.config, warning)
	}
	if err != nil {
		return wrongConfig(err)
	}
	if err := safedir.CheckData(cfg.Agent.PluginsDir, cfg.DataDir()); err != nil {
		return wrongConfig(fmt.Errorf("%s: agent.datadir: %w", c.config, err))
	}
	_, err = fmt.Fprintf(c.stdout, "%s is good\n", c.config)
	return err
}

// wrongConfig says what to do about a config that cannot be used.
func wrongConfig(err error) error {
	return fmt.Errorf("the config cannot be used:\n%w", err)
}
