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

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/stock"
)

// plugin has one subcommand, test.
func plugin(c *call) error {
	if len(c.args) == 0 || c.args[0] != "test" {
		c.configFlag() // for the usage
		if err := c.parse(true); err != nil {
			return err
		}
		return usageError{"write agent plugin test DIR"}
	}
	c.args = c.args[1:]
	return pluginTest(c)
}

// tagRuns is how often a plugin is run: twice, to find tags that change.
const tagRuns = 2

func pluginTest(c *call) error {
	c.configFlag()
	format := c.flags.String("format", "text", "`format`: text for people, or tap (Test Anything Protocol)")
	interval := c.flags.Duration("interval", time.Minute, "`time` between two runs; a run times out half a second before the next")
	repo := c.flags.String("repo", "", "`ORG/PROJECT` whose rule of the policy is applied; without it test/DIR")
	dir, args, err := c.dirAndArgs()
	if err != nil {
		return err
	}
	if *repo == "" {
		*repo = "test/" + filepath.Base(dir)
	} else if err := repopath.Check(*repo); err != nil {
		return usageError{fmt.Sprintf("--repo %.100q: %v", *repo, err)}
	}
	if *format != "text" && *format != "tap" {
		return usageError{fmt.Sprintf("--format %s: there are the formats text and tap", *format)}
	}
	if *interval < time.Second {
		return usageError{fmt.Sprintf("--interval %v: at least 1s", *interval)}
	}
	trial, err := tryPlugin(c, dir, *repo, args, *interval)
	if err != nil {
		return err
	}
	verdicts := judge(trial)
	write := writeText
	if *format == "tap" {
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

// dirAndArgs parses flags before and after DIR. Arguments after -- are the
// plugin's.
func (c *call) dirAndArgs() (dir string, args []string, err error) {
	if i := slices.Index(c.args, "--"); i >= 0 {
		c.args, args = c.args[:i], c.args[i+1:]
	}
	if err := c.parse(true); err != nil {
		return "", nil, err
	}
	if c.flags.NArg() == 0 {
		return "", nil, usageError{"name the plugin's directory"}
	}
	dir = c.flags.Arg(0)
	c.args = c.flags.Args()[1:]
	if err := c.parse(true); err != nil {
		return "", nil, err
	}
	if c.flags.NArg() > 0 {
		return "", nil, usageError{fmt.Sprintf("%q: write -- before the plugin's arguments", c.flags.Arg(0))}
	}
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, usageError{fmt.Sprintf("there is no directory %s", dir)}
	case err == nil && !info.IsDir():
		return "", nil, usageError{fmt.Sprintf("%s is not a directory: name the one that contains the file plugin", dir)}
	}
	dir, err = filepath.Abs(dir)
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
	output, outputErr := agent.DecodePluginRun(run.Format, run.Stdout, err)
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
