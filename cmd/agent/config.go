package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/stock"
)

func configCommand(c *call) *cobra.Command {
	return parent("config COMMAND", "print a sample config, or the values in force", configSampleCommand(c), configShowCommand(c))
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

func configShowCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "show [-f FILE] [--json]", Short: "print the values in force and their origins", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Prints each key of the config with the value that is in force and its origin: " +
			"the file and line, with ${NAME} if it is from the environment, or default. Passwords and values from ${file:PATH} are hidden. " +
			"It shows the files as they are now, whatever the running agent has loaded.",
		Annotations: exitCodes("0  the config is good", "1  something is wrong with it", "2  the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print a list of key, value and origin as JSON")
	command.RunE = func(*cobra.Command, []string) error { return configShow(c, *asJSON) }
	return command
}

func configShow(c *call, asJSON bool) error {
	settings, wrong := stock.Settings(c.config)
	if settings == nil {
		return wrongConfig(wrong)
	}
	text := settingsText(settings)
	if asJSON {
		list, err := json.MarshalIndent(settings, "", "  ")
		if err != nil {
			return err
		}
		text = string(list) + "\n"
	}
	if _, err := io.WriteString(c.stdout, text); err != nil {
		return err
	}
	if wrong != nil {
		return wrongConfig(wrong)
	}
	return nil
}

// settingsText formats settings as a config file, each with its origin behind it.
func settingsText(settings []stock.Setting) string {
	var text strings.Builder
	section := ""
	for i, s := range settings {
		dot := strings.LastIndexByte(s.Key, '.')
		if in := s.Key[:dot]; in != section {
			section = in
			header := "[" + section + "]"
			if list, _, isList := strings.Cut(section, "["); isList {
				header = "[[" + list + "]]"
			}
			if i > 0 {
				text.WriteByte('\n')
			}
			fmt.Fprintln(&text, header)
		}
		fmt.Fprintf(&text, "%s = %s # %s\n", s.Key[dot+1:], s.Value, s.Origin)
	}
	return text.String()
}
