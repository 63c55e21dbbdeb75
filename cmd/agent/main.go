// Command agent measures the host that it runs on and delivers the
// measurements. `agent help` lists its commands.
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
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitChanges = 2 // of plan
)

// command is a subcommand.
type command struct {
	name, args, summary string
	run                 func(c *call) error
}

// usage returns the command's syntax.
func (c command) usage() string { return strings.TrimSpace("agent " + c.name + " " + c.args) }

func commands() []command {
	return []command{
		{"start", "[-f FILE]", "run the agent in the foreground", start},
		{"stop", "[-f FILE] [-m normal|clean]", "stop the running agent; clean also removes its plugins and data", stop},
		{"status", "[-f FILE] [--json] [--check]", "print the state of the running agent, problems first", status},
		{"check", "[-f FILE]", "report all faults of the config", check},
		{"plan", "[-f FILE] [--json]", "ask the registry what an update would change here, and change nothing; exit with 2 if something would change", plan},
		{"collect", "[-f FILE] [KIND…]", "measure once and print line protocol", collect},
		{"plugin", "test [-f FILE] [--format text|tap] [--interval TIME] [--repo ORG/PROJECT] DIR [-- ARGS]", "run a plugin's directory as the agent would, and check its output", plugin},
		{"version", "", "print version, commit and Go version", version},
	}
}

// call is one call of a subcommand.
type call struct {
	flags          *flag.FlagSet
	args           []string // to be parsed by flags
	config         string   // path of the config file
	configGiven    bool
	stdout, stderr io.Writer
}

// usageError is a mistake in the command line.
type usageError struct{ reason string }

func (e usageError) Error() string { return e.reason }

// run runs the subcommand in args and returns the exit code. It removes control
// characters from the output, because files and answers contain text of others.
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
	case "-v", "-version", "--version":
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
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "agent %s: %v\n\n", c.name, err)
		commandUsage(stderr, c, flags)
		return exitUsage
	}
	fmt.Fprintf(stderr, "agent %s: %s\n", c.name, list(err))
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

// configFlag defines -f.
func (c *call) configFlag() {
	c.flags.StringVar(&c.config, "f", stock.DefaultPath, "config `file`")
}

// parse parses the flags. It refuses further arguments unless the command takes
// some.
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
		return usageError{fmt.Sprintf("unexpected argument %q", c.flags.Arg(0))}
	}
	return nil
}

// plainFlagError rewrites the flag package's error for a wrong duration.
func plainFlagError(err error) string {
	// invalid value "5" for flag -interval: parse error
	var value, name string
	if _, scanErr := fmt.Sscanf(err.Error(), "invalid value %q for flag -%s parse error", &value, &name); scanErr != nil {
		return err.Error()
	}
	return fmt.Sprintf("--%s %s: write a number with its unit, such as 5s or 1m", strings.TrimSuffix(name, ":"), value)
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

func usage(w io.Writer) {
	fmt.Fprint(w, "agent measures this host and delivers the measurements.\n\nCommands:\n")
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
