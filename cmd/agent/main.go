// Command agent measures the host it runs on and delivers what it measured.
// `agent help` lists its commands.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/pipewriter"
	"github.com/lodastack/agent/internal/terminal"
	"github.com/lodastack/agent/stock"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, pipewriter.New(os.Stderr))) }

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is a subcommand.
type command struct {
	name, args, summary string
	run                 func(c *call) error
}

// usage is how the command is written.
func (c command) usage() string { return strings.TrimSpace("agent " + c.name + " " + c.args) }

func commands() []command {
	return []command{
		{"start", "[-f FILE]", "run the agent in the foreground", start},
		{"stop", "[-f FILE] [-m normal|clean]", "stop the running agent; clean: and remove its plugins and data", stop},
		{"status", "[-f FILE] [--json] [--check]", "print the state of the running agent, what is wrong first", status},
		{"check", "[-f FILE]", "say everything that is wrong with the config", check},
		{"collect", "[-f FILE] [KIND…]", "measure once and print line protocol", collect},
		{"plugin", "test [-f FILE] [--format text|tap] [--interval TIME] DIR [-- ARGS]", "run a plugin's directory as the agent would, and judge it", plugin},
		{"version", "", "print version, commit and Go version", version},
	}
}

// call is one use of a subcommand.
type call struct {
	flags          *flag.FlagSet
	args           []string // to be parsed by flags
	config         string   // path of the config file
	configGiven    bool
	stdout, stderr io.Writer
}

// usageError is the fault of whoever typed the command.
type usageError struct{ reason string }

func (e usageError) Error() string { return e.reason }

// run runs the subcommand that args name and returns the exit code. What others
// wrote, in a file or an answer, cannot control the terminal.
func run(args []string, stdout, stderr io.Writer) int {
	stdout, stderr = terminal.NewWriter(stdout), terminal.NewWriter(stderr)
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	name := args[0]
	for _, c := range commands() {
		if c.name == name {
			return runCommand(c, args[1:], stdout, stderr)
		}
	}
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) > 1 {
			return run([]string{args[1], "--help"}, stdout, stderr)
		}
		usage(stdout)
		return exitOK
	case "-version", "--version":
		return run([]string{"version"}, stdout, stderr)
	}
	fmt.Fprintf(stderr, "agent: there is no command %q\n\n", name)
	usage(stderr)
	return exitUsage
}

func runCommand(c command, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	err := c.run(&call{flags: flags, args: args, stdout: stdout, stderr: stderr})
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		commandUsage(stdout, c, flags)
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "agent %s: %v\n\n", c.name, err)
		commandUsage(stderr, c, flags)
		return exitUsage
	}
	fmt.Fprintf(stderr, "agent %s: %s\n", c.name, list(err))
	return exitFailed
}

// list writes an error as a sentence, or as a list where it has several lines,
// as joined errors have.
func list(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if len(lines) == 1 || strings.HasSuffix(lines[0], ":") { // which announces a list already
		return err.Error()
	}
	return "several things went wrong:\n  - " + strings.Join(lines, "\n  - ")
}

// configFlag defines -f.
func (c *call) configFlag() {
	c.flags.StringVar(&c.config, "f", stock.DefaultPath, "config `file`")
}

// parse parses the flags, and refuses arguments after them unless the command
// takes some.
func (c *call) parse(takesArgs bool) error {
	err := c.flags.Parse(c.args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError{plainFlagError(err)}
	}
	if err != nil {
		return err
	}
	c.flags.Visit(func(f *flag.Flag) { c.configGiven = c.configGiven || f.Name == "f" })
	if !takesArgs && c.flags.NArg() > 0 {
		return usageError{fmt.Sprintf("%q is more than this command takes", c.flags.Arg(0))}
	}
	return nil
}

// plainFlagError puts the flag package's words for a wrong time plainly.
func plainFlagError(err error) string {
	// invalid value "5" for flag -interval: parse error
	var value, name string
	if _, scanErr := fmt.Sscanf(err.Error(), "invalid value %q for flag -%s parse error", &value, &name); scanErr != nil {
		return err.Error()
	}
	return fmt.Sprintf("--%s %s: write a number with its unit, such as 5s or 1m", strings.TrimSuffix(name, ":"), value)
}

// readKeys reads the config for the sake of some keys: one that is wrong
// elsewhere keeps nobody from asking or stopping an agent. Without a file in
// the usual place the defaults hold.
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

func usage(w io.Writer) {
	fmt.Fprint(w, "agent measures this host and delivers what it measured.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %s\n        %s\n", c.usage(), c.summary)
	}
	fmt.Fprintf(w, "\nThe config file is %s unless -f names another. `agent help COMMAND` describes a command.\n", stock.DefaultPath)
}

func commandUsage(w io.Writer, c command, flags *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: %s\n\n%s\n", c.usage(), c.summary)
	flags.SetOutput(w)
	flags.PrintDefaults()
}
