package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lodastack/agent/stock"
)

// helpWidth is how many columns the help has at most.
const helpWidth = 80

func helpCommand(c *call, root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "describe a command", DisableFlagsInUseLine: true, GroupID: groupOther,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			command, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, child := range command.Commands() {
				names = append(names, child.Name()+"\t"+child.Short)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			command, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmp.Or(command, root), rest)
			}
			writeHelp(c.stdout, command)
			return nil
		},
	}
}

// helpCall returns the command line that prints the help of a command.
func helpCall(command *cobra.Command) string {
	name, rest, _ := strings.Cut(command.CommandPath(), " ")
	return strings.TrimSpace(name + " help " + rest)
}

// writeHelp writes the help of a command.
func writeHelp(w io.Writer, command *cobra.Command) {
	var text bytes.Buffer
	if command.HasParent() {
		fmt.Fprintf(&text, "%s\n\n%s\n", usage(command), wrap(description(command), helpWidth))
		writeCommands(&text, command, "")
		writeFlags(&text, command)
		fmt.Fprintf(&text, "\nExit codes:\n%s", indent(exitCodesText(command)))
		if command.Example != "" {
			fmt.Fprintf(&text, "\nExamples:\n%s", indent(command.Example))
		}
	} else {
		fmt.Fprintf(&text, "agent %s.\n", command.Short)
		for _, group := range command.Groups() {
			fmt.Fprintf(&text, "\n%s", group.Title)
			writeCommands(&text, command, group.ID)
		}
		fmt.Fprintf(&text, "\nThe config is %s, or that of -f. `agent help COMMAND` says more.\n", stock.DefaultPath)
	}
	_, _ = w.Write(text.Bytes()) // there is no other way to report it
}

// usage returns the usage of a command, on as many lines as it needs.
func usage(command *cobra.Command) string {
	return strings.ReplaceAll(wrap("Usage: "+command.UseLine(), helpWidth-4), "\n", "\n    ")
}

// description returns what a command does, as sentences.
func description(command *cobra.Command) string {
	return cmp.Or(command.Long, strings.ToUpper(command.Short[:1])+command.Short[1:]+".")
}

// writeCommands lists the subcommands of a group.
func writeCommands(text *bytes.Buffer, command *cobra.Command, group string) {
	table := tabwriter.NewWriter(text, 14, 0, 2, ' ', 0)
	for _, child := range command.Commands() {
		if !child.Hidden && child.GroupID == group {
			fmt.Fprintf(table, "\n  %s\t%s", child.Name(), child.Short)
		}
	}
	table.Flush()
	if command.HasAvailableSubCommands() {
		fmt.Fprintln(text)
	}
}

// writeFlags lists the flags of a command.
func writeFlags(text *bytes.Buffer, command *cobra.Command) {
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	for i, f := range ownFlags(command) {
		if i == 0 {
			fmt.Fprint(table, "\nFlags:\n")
		}
		names, usage := flagText(f)
		fmt.Fprintf(table, "  %s\t%s\n", names, usage)
	}
	table.Flush()
}

// ownFlags returns the flags of a command, except for that of its help.
func ownFlags(command *cobra.Command) (flags []*pflag.Flag) {
	command.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags = append(flags, f)
		}
	})
	return flags
}

// flagText returns the names of a flag, with what its value is, and its
// meaning, with its default.
func flagText(f *pflag.Flag) (names, usage string) {
	value, usage := pflag.UnquoteUsage(f)
	usage = strings.TrimPrefix(usage, value+": ")
	names = "    --" + f.Name
	if f.Shorthand != "" {
		names = "-" + f.Shorthand + ", --" + f.Name
	}
	if f.Value.Type() != "bool" {
		names += " " + value
	}
	if f.DefValue != "" && f.DefValue != "false" {
		usage += " (default " + f.DefValue + ")"
	}
	return names, usage
}

// exitCodesText returns a line for each exit code of a command.
func exitCodesText(command *cobra.Command) string {
	return cmp.Or(command.Annotations[exitCodesOf], "0  it went well\n1  it failed\n2  the command line is wrong")
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// wrap breaks the lines of a text that are longer than width at blanks. A line
// that is indented stays as it is.
func wrap(text string, width int) string {
	var wrapped strings.Builder
	for line := range strings.Lines(text) {
		column := 0
		if strings.HasPrefix(line, " ") {
			wrapped.WriteString(line)
			continue
		}
		for i, word := range strings.Fields(line) {
			switch {
			case i > 0 && column+1+len(word) > width:
				wrapped.WriteString("\n")
				column = 0
			case i > 0:
				wrapped.WriteString(" ")
				column++
			}
			wrapped.WriteString(word)
			column += len(word)
		}
		if strings.HasSuffix(line, "\n") {
			wrapped.WriteString("\n")
		}
	}
	return wrapped.String()
}
