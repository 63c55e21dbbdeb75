package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

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
	if path := missingRegistry(cfg.Agent.RegistryAddr); path != "" {
		fmt.Fprintf(c.stderr, "%s: warning: agent.registryaddr: the registry file %s is not there yet; it says what is collected\n", c.config, path)
	}
	_, err = fmt.Fprintf(c.stdout, "%s is good\n", c.config)
	return err
}

// missingRegistry returns the path of the registry file that address names, if
// there is none.
func missingRegistry(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	if _, err := os.Stat(u.Path); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return u.Path
}

// wrongConfig says what to do about a config that cannot be used.
func wrongConfig(err error) error {
	// What is wrong in a config may be another file that cannot be read.
	var wrong *stock.ConfigError
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, &wrong) {
		return fmt.Errorf("this user may not read the config: do this as root or as the agent's user (%w)", err)
	}
	return fmt.Errorf("the config cannot be used:\n%w", err)
}
