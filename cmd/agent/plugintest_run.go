package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/manifest"
	"github.com/lodastack/agent/stock"
)

// tagRuns is how often a plugin is run: twice, to find tags that change.
const tagRuns = 2

// daemonTrial is how long a daemon is run.
const daemonTrial = 3 * time.Second

// trial is the runs of a plugin.
type trial struct {
	name string // PLUGIN.…
	dir  string
	// foreign is what dir was made of. Its zero value: of nothing.
	foreign foreignCheck
	repo    string
	sandbox agent.PluginDetails // its user, limits and confinement
	differ  []string            // sentences: what an agent on this host may do differently
	user    string              // the user it runs as
	daemon  bool
	limit   time.Duration
	began   time.Time
	runs    []pluginRun
}

// pluginRun is one run.
type pluginRun struct {
	stock.PluginRun
	err       error // of the run
	output    agent.PluginOutput
	outputErr error // why there is no output
}

// ended returns the result of a run that ended with err.
func ended(run stock.PluginRun, err error) pluginRun {
	output, outputErr := agent.DecodePluginRun(agent.Plugin{Format: run.Format, Mode: run.Mode}, run.Stdout, err)
	if outputErr == nil {
		err = nil // its exit status is its result
	}
	return pluginRun{run, err, output, outputErr}
}

// tryPlugin runs the plugin as the agent of the config would.
func tryPlugin(c *call, asked pluginTestArgs) (t trial, err error) {
	cfg, err := stock.ReadConfigValues(c.config)
	if err != nil && (c.configGiven || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)) {
		return t, wrongConfig(err)
	}
	runner, err := stock.GitRunner(stock.GitRunnerConfig{User: cfg.Agent.PluginsUser, Hostname: cfg.Agent.Hostname, Policy: cfg.Policy})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, runner.Close(context.Background())) }()

	p := agent.Plugin{Namespace: "test", Name: "PLUGIN." + filepath.Base(asked.repo), Repo: asked.repo, Interval: asked.interval, Args: asked.args}
	t = trial{name: p.Name, dir: asked.dir, foreign: asked.foreign, repo: p.Repo, sandbox: runner.InspectPlugin(p), differ: differences(cfg), limit: p.Interval - time.Second/2, began: time.Now()}
	t.user = t.sandbox.User
	if os.Geteuid() != 0 {
		t.user = "your own user (only root can change users)"
	}
	if says, err := manifest.Read(t.dir); err == nil && says.Mode == agent.ModeDaemon { // an error is that of the run, too
		t.daemon, t.limit = true, daemonTrial
	}
	for range tagRuns {
		ctx, cancel := context.WithTimeout(context.Background(), t.limit)
		run, err := runner.RunDir(ctx, t.dir, p, p.Args)
		cancel()
		t.runs = append(t.runs, ended(run, err))
		if t.runs[len(t.runs)-1].err != nil {
			break
		}
	}
	return t, nil
}

// differences says what an agent with this config may do differently.
func differences(cfg stock.Config) (sentences []string) {
	if os.Geteuid() != 0 {
		sentences = append(sentences, "an agent that runs as root runs it as another user, and has limits and confinement that need root: repeat this as root to see them")
	}
	if p := cfg.Policy; len(p.Plugins) > 0 || p.Pinned || p.Signers != "" {
		sentences = append(sentences, "policy.plugins, policy.pinned and policy.signers apply to repositories, not to a directory")
	}
	return sentences
}
