package main

import (
	"github.com/spf13/cobra"
)

func pluginCommand(c *call) *cobra.Command {
	return parent("plugin COMMAND", "write, test and control plugins",
		pluginNewCommand(c), pluginTestCommand(c), pluginListCommand(c), pluginRunCommand(c),
		pluginControlCommand(c, "update", "install the newest release of a plugin, or its version again", "the plugin is up to date"),
		pluginControlCommand(c, "rollback", "install the version of a plugin that was there before", "the version from before is installed, until the next update"),
		pluginControlCommand(c, "enable", "resume the periodic runs of a plugin", "the plugin is enabled"),
		pluginControlCommand(c, "disable", "stop the periodic runs of a plugin for 24 hours", "the plugin is disabled for 24 hours"),
	)
}
