package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Groups of commands in `agent help`.
const (
	groupRun   = "run"
	groupLook  = "look"
	groupOther = "other"
)

// rootCommand returns the tree of all commands. Help, suggestions, completions
// and man pages are made from it.
func rootCommand(c *call) *cobra.Command {
	root := &cobra.Command{
		Use:   "agent COMMAND",
		Short: "measures this host, runs plugins, and delivers the points to NSQ",
		Long: "agent measures this host, runs the plugins that a registry assigns to it, accepts metrics of other programs " +
			"over HTTP, and delivers all of it to NSQ as InfluxDB points.",
		DisableFlagsInUseLine: true,
		SilenceErrors:         true,
		SilenceUsage:          true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true}, // there is one with fewer words
	}
	root.PersistentFlags().BoolP("help", "h", false, "print the help of the command")
	showVersion := root.Flags().BoolP("version", "v", false, "print the version")
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(command *cobra.Command, args []string) error {
		if *showVersion && len(args) == 0 {
			return version(c)
		}
		return unknownCommand(command, args)
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagFault(err)} })
	root.SetHelpFunc(func(command *cobra.Command, _ []string) { writeHelp(c.stdout, command) })
	for _, group := range []cobra.Group{
		{ID: groupRun, Title: "Run the agent"}, {ID: groupLook, Title: "Look at it"}, {ID: groupOther, Title: "More"},
	} {
		root.AddGroup(&group)
	}
	add(root, groupRun, startCommand(c), stopCommand(c), reloadCommand(c), checkCommand(c), configCommand(c), updateCommand(c))
	add(root, groupLook, statusCommand(c), explainCommand(c), tailCommand(c), planCommand(c), collectCommand(c))
	add(root, groupOther, pluginCommand(c), completionCommand(c), manCommand(), versionCommand(c))
	root.SetHelpCommand(helpCommand(c, root))
	return root
}

// add adds commands to the group of root.
func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, command := range commands {
		command.GroupID = group
		root.AddCommand(command)
	}
}

// parent returns a command that only has subcommands.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: use, Short: short, DisableFlagsInUseLine: true, Args: cobra.ArbitraryArgs, RunE: unknownCommand}
	command.AddCommand(children...)
	return command
}

// unknownCommand is what a command with subcommands runs if none of them was
// named.
func unknownCommand(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		writeHelp(command.ErrOrStderr(), command)
		return exitError{code: exitUsage}
	}
	reason := fmt.Sprintf("there is no command %q", args[0])
	command.SuggestionsMinimumDistance = 2
	if similar := command.SuggestionsFor(args[0]); len(similar) > 0 {
		reason += "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return usageError{reason}
}

// arguments accepts from least to most arguments. most is -1 if there is no limit.
func arguments(least, most int) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError{fmt.Sprintf("something is missing; write %s", command.UseLine())}
		case most >= 0 && len(args) > most:
			return usageError{fmt.Sprintf("unexpected argument %q", args[most])}
		}
		return nil
	}
}

// flagFault says in a sentence what is wrong with a flag.
func flagFault(err error) string {
	var (
		unknown *pflag.NotExistError
		value   *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedShortnames()) > 1:
		return fmt.Sprintf("there is no flag -%s; flags with long names begin with --", unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown):
		return "there is no flag " + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "unknown flag: "), "unknown shorthand flag: ")
	case errors.As(err, &value) && value.GetFlag().Value.Type() == "duration":
		return fmt.Sprintf("--%s %q: write a number with its unit, such as 5s or 1m", value.GetFlag().Name, value.GetValue())
	}
	return err.Error()
}

// exitCodesOf is the annotation of a command with the meaning of its exit codes, one line
// each, if it has more than success and failure.
const exitCodesOf = "exit codes"

func exitCodes(lines ...string) map[string]string {
	return map[string]string{exitCodesOf: strings.Join(lines, "\n")}
}
