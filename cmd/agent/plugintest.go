package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/repopath"
)

// reportFormats are the forms of what agent plugin test reports.
var reportFormats = map[string]reportWriter{"text": writeText, "json": writeJSON, "tap": writeTAP, "junit": writeJUnit}

// pluginTestArgs are the arguments of agent plugin test.
type pluginTestArgs struct {
	format   string // of the report
	interval time.Duration
	repo     string // whose rule applies
	dir      string
	args     []string
	foreign  foreignCheck // what dir was made of; its zero value: dir is a plugin's
}

func pluginTestCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use:   "test [-f FILE] [--format text|json|tap|junit] [--interval TIME] [--repo ORG/PROJECT] DIR [-- ARGS] | --nagios|--telegraf|--textfile [--daemon [--signal stdin]] -- COMMAND ARGS",
		Short: "run a plugin or a check as the agent would, and check its output", DisableFlagsInUseLine: true,
		Long: "Runs the plugin in the directory twice, with the user, environment and limits that the agent uses, " +
			"and reports what is wrong with it and what to do about it. The plugin's arguments follow --. A run times out half a second before the next.\n\n" +
			"With --nagios, --telegraf or --textfile, it runs a check that was written for another agent, and prints the files that make it a plugin.",
		Example:     "agent plugin test . -- /etc\nagent plugin test --nagios -- /usr/lib/nagios/plugins/check_load -w 5 -c 10",
		Annotations: exitCodes("0  the plugin is good", "1  the plugin needs work", "2  the command line is wrong"),
	}
	c.configFlag(command)
	flags := command.Flags()
	var p pluginTestArgs
	flags.StringVar(&p.format, "format", "text", "`FORMAT` of the report, such as junit")
	_ = command.RegisterFlagCompletionFunc("format", oneOf(slices.Sorted(maps.Keys(reportFormats))...))
	flags.DurationVar(&p.interval, "interval", time.Minute, "the `TIME` between two runs")
	flags.StringVar(&p.repo, "repo", "", "the `ORG/PROJECT` whose rule applies; else test/DIR")
	given := make(map[string]*bool)
	for _, kind := range slices.Sorted(maps.Keys(foreignFormats)) {
		given[kind] = flags.Bool(kind, false, foreignFormats[kind].about)
	}
	flags.BoolVar(&p.foreign.daemon, "daemon", false, "the command does not end, as for Telegraf's execd")
	flags.StringVar(&p.foreign.signal, "signal", "", "`stdin`: the daemon measures at each newline")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := p.read(given, args, command.ArgsLenAtDash()); err != nil {
			return err
		}
		return pluginTest(c, p)
	}
	return command
}

// read takes the arguments. dash is the number of the first one after --, or -1 if there is
// no --. given are the kinds of foreign checks.
func (p *pluginTestArgs) read(given map[string]*bool, args []string, dash int) error {
	if reportFormats[p.format] == nil {
		return usageError{fmt.Sprintf("--format %s: there are the formats text, json, tap and junit", p.format)}
	}
	if p.interval < time.Second {
		return usageError{fmt.Sprintf("--interval %v: at least 1s", p.interval)}
	}
	for kind, isGiven := range given {
		if *isGiven {
			if p.foreign.kind != "" {
				return usageError{fmt.Sprintf("--%s and --%s: name one of them", min(kind, p.foreign.kind), max(kind, p.foreign.kind))}
			}
			p.foreign.kind = kind
		}
	}
	name, err := p.readSubject(args, dash)
	if err != nil {
		return err
	}
	if p.repo == "" {
		p.repo = "test/" + name
	} else if err := repopath.Check(p.repo); err != nil {
		return usageError{fmt.Sprintf("--repo %.100q: %v", p.repo, err)}
	}
	return nil
}

// readSubject takes the directory or command to run, and returns its name.
func (p *pluginTestArgs) readSubject(args []string, dash int) (name string, err error) {
	switch {
	case p.foreign.kind != "":
		if err := p.foreign.read(args, dash); err != nil {
			return "", err
		}
		return p.foreign.name(), nil
	case p.foreign.daemon || p.foreign.signal != "":
		return "", usageError{"--daemon and --signal are for --telegraf and --textfile: a directory has a plugin.toml that says so"}
	}
	p.dir, p.args, err = dirAndArgs(args, dash)
	return filepath.Base(p.dir), err
}

// pluginTest reports on a trial.
func pluginTest(c *call, p pluginTestArgs) error {
	if p.foreign.kind != "" {
		dir, err := p.foreign.makePlugin()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		p.dir = dir
	}
	trial, err := tryPlugin(c, p)
	if err != nil {
		return err
	}
	verdicts := checkPlugin(trial)
	if err := reportFormats[p.format](c.stdout, trial, verdicts); err != nil {
		return err
	}
	if slices.ContainsFunc(verdicts, func(v verdict) bool { return len(v.faults) > 0 }) {
		return errors.New("the plugin needs work")
	}
	return nil
}

// dirAndArgs returns the directory and the plugin's arguments, which begin at
// dash, where -- was; -1 without one.
func dirAndArgs(given []string, dash int) (dir string, args []string, err error) {
	if dash >= 0 {
		given, args = given[:dash], given[dash:]
	}
	if len(given) == 0 {
		return "", nil, usageError{"name the plugin's directory, or a check with " + strings.Join(foreignFlags(), ", ") + " and -- COMMAND"}
	}
	if len(given) > 1 {
		return "", nil, usageError{fmt.Sprintf("%q: write -- before the plugin's arguments", given[1])}
	}
	switch info, err := os.Stat(given[0]); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, usageError{fmt.Sprintf("there is no directory %s", given[0])}
	case err == nil && !info.IsDir():
		return "", nil, usageError{fmt.Sprintf("%s is not a directory: name the one that contains the file plugin", given[0])}
	}
	dir, err = filepath.Abs(given[0])
	return dir, args, err
}
