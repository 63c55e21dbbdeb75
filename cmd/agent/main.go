// Command agent measures the host that it runs on and delivers the
// measurements. `agent help` lists its commands.
//
// Each command has a file of its name, with its flags and what it does:
//
//	all        main.go commands.go call.go (the config of a call) help.go man.go completion.go
//	the agent  start.go serve.go (signals, watchdog) systemd.go startpages_linux.go
//	           startpages_other.go; stop.go reload.go
//	config     check.go config.go plan.go plantext.go planfleet.go
//	look       status.go statustext.go statusplugins.go watch.go (status --watch) explain.go tail.go
//	           collect.go version.go
//	plugins    plugin.go pluginnew.go; control.go (update, run, enable and others); plugintest.go:
//	           plugintest_foreign.go (checks for other agents), plugintest_run.go, what is checked in
//	           plugintest_checks.go plugintest_output.go plugintest_series.go, and the reports in
//	           plugintest_text.go plugintest_formats.go
//
// client.go asks the running agent.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/pipewriter"
	"github.com/lodastack/agent/internal/terminal"
)

func main() {
	os.Exit(run(os.Args[1:], paint(os.Stdout, os.Stdout), paint(os.Stderr, pipewriter.New(os.Stderr))))
}

// paint returns w, which writes to file, with colours if file is a terminal.
func paint(file *os.File, w io.Writer) io.Writer {
	if !terminal.Colours(file, os.Getenv) {
		return w
	}
	return terminal.NewPainter(w, []string{"WRONG", "BAD "}, []string{"Nothing is wrong.", "ok  "}, []string{"WARNINGS", "warning:"})
}

// Exit codes. docs/cli.md has the table of all commands.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitChanges = 2 // of plan
	// exitUnclean is that of start if the agent was told to stop, and could
	// not do so cleanly. The unit does not start it again.
	exitUnclean = 3
	// exitConfig is that of start if the config is wrong: EX_CONFIG of
	// sysexits(3). The unit does not start the agent again.
	exitConfig = 78
)

// usageError is a mistake in the command line.
type usageError struct{ reason string }

func (e usageError) Error() string { return e.reason }

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error // nil: nothing is printed, because the output has said it
}

func (e exitError) Error() string { return fmt.Sprint(e.err) }

func (e exitError) Unwrap() error { return e.err }

// run runs the command in args and returns the exit code. It removes control
// characters from the output, because files and answers contain text of others.
func run(args []string, stdout, stderr io.Writer) int {
	stdout, stderr = terminal.NewWriter(stdout), terminal.NewWriter(stderr)
	root := rootCommand(&call{stdout: stdout, stderr: stderr})
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(append([]string{}, args...)) // nil would be those of the process
	command, err := root.ExecuteC()
	return exitCode(command, err, stderr)
}

// exitCode prints the error of a command, and returns the exit code.
func exitCode(command *cobra.Command, err error, stderr io.Writer) int {
	var (
		wrong usageError
		coded exitError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "%s: %v\n%s\n`%s` says more.\n", command.CommandPath(), err, usage(command), helpCall(command))
		return exitUsage
	case errors.As(err, &coded) && coded.err == nil:
		return coded.code
	case errors.As(err, &coded):
		fmt.Fprintf(stderr, "%s: %s\n", command.CommandPath(), list(coded.err))
		return coded.code
	}
	fmt.Fprintf(stderr, "%s: %s\n", command.CommandPath(), list(err))
	return exitFailed
}

// list formats an error as a sentence, or as a list if it has several lines, as
// joined errors have.
func list(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if len(lines) == 1 || strings.HasSuffix(lines[0], ":") { // the first line already announces a list
		return err.Error()
	}
	return "several things went wrong:\n  - " + strings.Join(lines, "\n  - ")
}
