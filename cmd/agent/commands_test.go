package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// allCommands returns the tree of commands as a list, without its root.
func allCommands() []*cobra.Command {
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(parent *cobra.Command) {
		for _, child := range parent.Commands() {
			all = append(all, child)
			walk(child)
		}
	}
	walk(rootCommand(&call{stdout: io.Discard, stderr: io.Discard}))
	return all
}

func TestTheListOfCommandsFitsATerminal(t *testing.T) {
	help := execute(t, "help").stdout
	require.LessOrEqual(t, strings.Count(help, "\n"), 24)
	for line := range strings.Lines(help) {
		require.LessOrEqual(t, len([]rune(line)), helpWidth+1, line)
	}
}

func TestEachCommandHasHelp(t *testing.T) {
	for _, command := range allCommands() {
		path := strings.Fields(command.CommandPath())[1:]
		r := execute(t, append([]string{"help"}, path...)...)
		require.Equal(t, 0, r.code, path)
		require.True(t, strings.HasPrefix(r.stdout, usage(command)+"\n"), r.stdout)
		require.Contains(t, r.stdout, "\nExit codes:\n  0  ")
		for line := range strings.Lines(r.stdout) {
			require.LessOrEqual(t, len([]rune(line)), helpWidth+1, line)
		}
		require.Equal(t, r, execute(t, append(path, "-h")...))
	}
}

func TestTheManualPagesHaveEachCommandAndKey(t *testing.T) {
	dir := t.TempDir()
	require.Zero(t, execute(t, "man", dir).code)
	page, err := os.ReadFile(filepath.Join(dir, "agent.1"))
	require.NoError(t, err)
	for _, command := range allCommands() {
		if !command.HasSubCommands() && !command.Hidden {
			require.Contains(t, string(page), "\n.SS "+roff(command.UseLine())+"\n")
		}
	}
	page, err = os.ReadFile(filepath.Join(dir, "agent.conf.5"))
	require.NoError(t, err)
	require.Contains(t, string(page), "\n.SH SECTION OUTPUT\n")
	for _, key := range keysOfTheDocumentation(t) {
		require.Contains(t, string(page), key[strings.LastIndex(key, ".")+1:])
	}
}

func TestTextIsPlainTextInAManualPage(t *testing.T) {
	require.Equal(t, `\&.TH a\-b \e fR`, roff(`.TH a-b \ fR`))
	require.Equal(t, "a\n\\&'b", roff("a\n'b"))
}

func TestCompletionsAreScriptsOfTheirShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := execute(t, "completion", shell)
		require.Zero(t, r.code)
		require.Contains(t, r.stdout, "agent")
		if path, err := exec.LookPath(shell); err == nil {
			check := exec.CommandContext(t.Context(), path, "-n")
			check.Stdin = strings.NewReader(r.stdout)
			output, err := check.CombinedOutput()
			require.NoError(t, err, "%s", output)
		}
	}
	r := execute(t, "completion", "tcsh")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "there are completions for bash, zsh and fish")
}

func TestTheShellIsToldWhatCanFollow(t *testing.T) {
	for args, want := range map[string]string{
		"st":                     "start\t",
		"stop -m ":               "clean\n",
		"collect CPU ":           "MEM\n",
		"plugin test --format t": "tap\n",
		"help plugin ":           "test\t",
	} {
		fields := strings.Split(args, " ")
		require.Contains(t, execute(t, append([]string{"__complete"}, fields...)...).stdout, want, args)
	}
}

// TestTheDocumentationHasTheExitCodesOfEachCommand compares the table of docs/cli.md
// with the help.
func TestTheDocumentationHasTheExitCodesOfEachCommand(t *testing.T) {
	content, err := os.ReadFile("../../docs/cli.md")
	require.NoError(t, err)
	rows := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if names, codes, found := strings.Cut(strings.TrimPrefix(line, "| "), " | "); found {
			for _, name := range strings.Split(names, ", ") {
				rows[name] = strings.ReplaceAll(codes, "`", "")
			}
		}
	}
	for _, command := range allCommands() {
		if command.HasSubCommands() {
			continue
		}
		row := rows["`"+command.CommandPath()+"`"]
		for line := range strings.Lines(exitCodesText(command)) {
			_, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
			require.Contains(t, row, meaning, command.CommandPath())
		}
	}
}
