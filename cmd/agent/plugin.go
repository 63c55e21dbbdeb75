package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/stock"
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

// tagRuns is how often a plugin is run: twice, to find tags that change.
const tagRuns = 2

// daemonTrial is how long a daemon is run.
const daemonTrial = 3 * time.Second

func pluginTestCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use:   "test [-f FILE] [--format text|tap] [--interval TIME] [--repo ORG/PROJECT] DIR [-- ARGS]",
		Short: "run a plugin's directory as the agent would, and check its output", DisableFlagsInUseLine: true,
		Long: "Runs the plugin in the directory twice, with the user, environment and limits that the agent uses, " +
			"and reports what is wrong with it and what to do about it. What follows -- are the plugin's arguments. A run times out half a second before the next.",
		Example:     "agent plugin test . -- /etc",
		Annotations: exitCodes("0  the plugin is good", "1  the plugin needs work", "2  the command line is wrong"),
	}
	c.configFlag(command)
	format := command.Flags().String("format", "text", "`text|tap`: for people, or Test Anything Protocol")
	_ = command.RegisterFlagCompletionFunc("format", oneOf("text", "tap"))
	interval := command.Flags().Duration("interval", time.Minute, "the `TIME` between two runs")
	repo := command.Flags().String("repo", "", "the `ORG/PROJECT` whose rule applies; else test/DIR")
	command.RunE = func(command *cobra.Command, args []string) error {
		dir, args, err := dirAndArgs(args, command.ArgsLenAtDash())
		if err != nil {
			return err
		}
		if *repo == "" {
			*repo = "test/" + filepath.Base(dir)
		} else if err := repopath.Check(*repo); err != nil {
			return usageError{fmt.Sprintf("--repo %.100q: %v", *repo, err)}
		}
		return pluginTest(c, dir, *repo, args, *format, *interval)
	}
	return command
}

func pluginTest(c *call, dir, repo string, args []string, format string, interval time.Duration) error {
	if format != "text" && format != "tap" {
		return usageError{fmt.Sprintf("--format %s: there are the formats text and tap", format)}
	}
	if interval < time.Second {
		return usageError{fmt.Sprintf("--interval %v: at least 1s", interval)}
	}
	trial, err := tryPlugin(c, dir, repo, args, interval)
	if err != nil {
		return err
	}
	verdicts := judge(trial)
	write := writeText
	if format == "tap" {
		write = writeTAP
	}
	if err := write(c.stdout, trial, verdicts); err != nil {
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
		return "", nil, usageError{"name the plugin's directory"}
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

// trial is the runs of a plugin.
type trial struct {
	name   string // PLUGIN.…
	dir    string
	repo   string
	kept   agent.PluginDetails // how it is kept
	differ []string            // sentences: what an agent on this host may do in another way
	user   string              // the user it runs as
	daemon bool
	limit  time.Duration
	began  time.Time
	runs   []pluginRun
}

// pluginRun is one run.
type pluginRun struct {
	stock.PluginRun
	err       error // of the run
	output    agent.PluginOutput
	outputErr error // why there is no output
}

// ended returns what is known of a run that ended with err.
func ended(run stock.PluginRun, err error) pluginRun {
	output, outputErr := agent.DecodePluginRun(agent.Plugin{Format: run.Format, Mode: run.Mode}, run.Stdout, err)
	if outputErr == nil {
		err = nil // its exit status is its result
	}
	return pluginRun{run, err, output, outputErr}
}

// tryPlugin runs the plugin as the agent of the config would.
func tryPlugin(c *call, dir, repo string, args []string, interval time.Duration) (t trial, err error) {
	cfg, err := stock.ReadConfigValues(c.config)
	if err != nil && (c.configGiven || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)) {
		return t, wrongConfig(err)
	}
	hostname := cfg.Agent.Hostname
	if hostname == "" {
		if hostname, err = os.Hostname(); err != nil {
			return t, err
		}
	}
	runner, err := stock.GitRunner(stock.GitRunnerConfig{User: cfg.Agent.PluginsUser, Hostname: hostname, Policy: cfg.Policy})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, runner.Close(context.Background())) }()

	p := agent.Plugin{Namespace: "test", Name: "PLUGIN." + filepath.Base(repo), Repo: repo, Interval: interval, Args: args}
	t = trial{name: p.Name, dir: dir, repo: repo, kept: runner.InspectPlugin(p), differ: differences(cfg), limit: interval - time.Second/2, began: time.Now()}
	t.user = t.kept.User
	if os.Geteuid() != 0 {
		t.user = "your own user (only root can change users)"
	}
	if says, err := manifest.Read(dir); err == nil && says.Mode == agent.ModeDaemon { // an error is that of the run, too
		t.daemon, t.limit = true, daemonTrial
	}
	for range tagRuns {
		ctx, cancel := context.WithTimeout(context.Background(), t.limit)
		run, err := runner.RunDir(ctx, dir, p, args)
		cancel()
		t.runs = append(t.runs, ended(run, err))
		if t.runs[len(t.runs)-1].err != nil {
			break
		}
	}
	return t, nil
}

// differences says what an agent with this config may do in another way.
func differences(cfg stock.Config) (sentences []string) {
	if os.Geteuid() != 0 {
		sentences = append(sentences, "an agent that runs as root runs it as another user, and has limits and confinement that need root: repeat this as root to see them")
	}
	if p := cfg.Policy; len(p.Plugins) > 0 || p.Pinned || p.Signers != "" {
		sentences = append(sentences, "policy.plugins, policy.pinned and policy.signers are for repositories: they are not asked about a directory")
	}
	return sentences
}
