package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/stock"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write the manual pages agent.1 and agent.conf.5 into a directory", DisableFlagsInUseLine: true, Hidden: true,
		Long:    "Writes the manual pages agent.1, made of the help of all commands, and agent.conf.5, made of the sample config. The packages install them.",
		Example: "agent man . && man ./agent.1",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			for name, page := range map[string][]byte{"agent.1": commandPage(command.Root()), "agent.conf.5": configPage(stock.SampleConfig())} {
				if err := os.WriteFile(filepath.Join(args[0], name), page, 0o644); err != nil {
					return fmt.Errorf("write the manual page %s: %w", name, err)
				}
			}
			return nil
		},
	}
}

// roff escapes a text for man(7): a backslash, a hyphen, which would else be a
// dash, and a dot or quote at the beginning of a line, which would be a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `"`, `\(dq`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// commandPage is the manual page of the program.
func commandPage(root *cobra.Command) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, ".TH AGENT 1\n.SH NAME\nagent \\- %s\n.SH SYNOPSIS\n.B agent\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n", roff(root.Short))
	fmt.Fprintf(&page, ".SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(root.Long))
	for _, command := range root.Commands() {
		writeCommandPage(&page, command)
	}
	fmt.Fprint(&page, ".SH EXIT STATUS\n0 if all went well, 1 if something failed, 2 if the command line is wrong. Commands with other exit codes list them above.\n")
	fmt.Fprintf(&page, ".SH FILES\n.TP\n.I %s\nthe config; see\n.BR agent.conf (5)\n.SH SEE ALSO\n.BR agent.conf (5)\n", roff(stock.DefaultPath))
	return page.Bytes()
}

// writeCommandPage writes the part of a command, or of its subcommands.
func writeCommandPage(page *bytes.Buffer, command *cobra.Command) {
	if command.Hidden {
		return
	}
	if children := command.Commands(); len(children) > 0 {
		for _, child := range children {
			writeCommandPage(page, child)
		}
		return
	}
	fmt.Fprintf(page, ".SS %s\n%s\n", roff(command.UseLine()), roff(description(command)))
	for _, f := range ownFlags(command) {
		names, usage := flagText(f)
		fmt.Fprintf(page, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(names)), roff(usage))
	}
	if codes := command.Annotations[exitCodesOf]; codes != "" {
		fmt.Fprintf(page, ".PP\nExit codes:\n.nf\n%s.fi\n", roff(indent(codes)))
	}
	if command.Example != "" {
		fmt.Fprintf(page, ".PP\nExamples:\n.nf\n%s.fi\n", roff(indent(command.Example)))
	}
}

// configPage is the manual page of the config, made of its sample: a comment
// describes the key below it.
func configPage(sample string) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, ".TH AGENT.CONF 5\n.SH NAME\nagent.conf \\- the config of agent\n.SH SYNOPSIS\n.I %s\n.SH DESCRIPTION\n", roff(stock.DefaultPath))
	comment, section := "", ""
	for line := range strings.Lines(sample) {
		line = strings.TrimSpace(line)
		text, isComment := strings.CutPrefix(line, "# ")
		name, isSection := strings.CutPrefix(strings.TrimPrefix(line, "#"), "[")
		switch {
		case isComment:
			comment += text + "\n"
			continue
		case line == "":
			fmt.Fprintf(&page, "%s", roff(comment))
		case isSection:
			section = strings.Trim(name, "[]")
			fmt.Fprintf(&page, ".SH SECTION %s\n%s", roff(strings.ToUpper(section)), roff(comment))
		default:
			fmt.Fprintf(&page, ".TP\n.B %s\n%s", roff(strings.TrimPrefix(line, "#")), roff(comment))
		}
		comment = ""
	}
	fmt.Fprint(&page, ".SH SEE ALSO\n.BR agent (1)\n")
	return page.Bytes()
}
