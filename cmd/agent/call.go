package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/stock"
)

// call is one call of a command.
type call struct {
	config         string // path of the config file
	configGiven    bool
	stdout, stderr io.Writer
}

// configFlag defines -f.
func (c *call) configFlag(command *cobra.Command) {
	command.Flags().StringVarP(&c.config, "config", "f", stock.DefaultPath, "the config `FILE`")
	command.PreRun = func(*cobra.Command, []string) { c.configGiven = command.Flags().Changed("config") }
}

// readKeys reads some keys of the config. Faults elsewhere in the config do not
// matter, so that one can still ask or stop an agent. If the default file does
// not exist, the defaults apply.
func (c *call) readKeys(keys ...string) (stock.Config, error) {
	cfg, err := stock.ReadConfigValues(c.config)
	var wrong *configfile.Error
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && !c.configGiven:
	case errors.As(err, &wrong) && !wrong.Concerns(keys...):
	default:
		return cfg, wrongConfig(err)
	}
	return cfg, nil
}

// wrongConfig adds to the error of a config what to do about it.
func wrongConfig(err error) error {
	// The fault in a config may be another file that cannot be read.
	var wrong *configfile.Error
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, &wrong) {
		return fmt.Errorf("this user may not read the config: do this as root or as the agent's user (%w)", err)
	}
	if errors.Is(err, fs.ErrNotExist) && !errors.As(err, &wrong) {
		return fmt.Errorf("there is no config: write it, or name another one with -f (%w)", err)
	}
	return fmt.Errorf("the config cannot be used:\n%w", err)
}
