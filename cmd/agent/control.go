package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
)

// updatePatience and installPatience are longer than the agent takes to ask the
// registry, and to install a version of a plugin.
const (
	updatePatience  = 130 * time.Second
	installPatience = 11 * time.Minute
)

// controlCodes are the exit codes of commands that control the agent.
func controlCodes() map[string]string {
	return exitCodes("0  the agent did it", "1  it did not, and says why", "2  the command line is wrong")
}

func updateCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "update [-f FILE]", Short: "make the running agent ask the registry now", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long:        "Makes the running agent ask the registry now, and waits until the answer is in force. New plugins are installed after that.",
		Annotations: controlCodes(),
		RunE: func(*cobra.Command, []string) error {
			return c.control("/update", nil, updatePatience, "the registry has answered, and its answer is in force")
		},
	}
	c.configFlag(command)
	return command
}

// pluginControlCommand returns a command that changes one plugin.
func pluginControlCommand(c *call, name, short, done string) *cobra.Command {
	command := &cobra.Command{
		Use: name + " [-f FILE] NS REPO", Short: short, DisableFlagsInUseLine: true, Args: arguments(2, 2),
		Long:              description(&cobra.Command{Short: short}) + " REPO is ORG/PROJECT or the address for git, as `agent plugin list` prints it.",
		Annotations:       controlCodes(),
		ValidArgsFunction: c.completePlugins,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.control("/plugins/"+name, url.Values{"ns": {args[0]}, "repo": {args[1]}}, installPatience, done)
		},
	}
	c.configFlag(command)
	return command
}

// control makes the running agent do something, and prints that it is done.
func (c *call) control(path string, query url.Values, timeout time.Duration, done string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if _, err := client.post(path, query, timeout); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, done)
	return err
}

func pluginListCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "list [-f FILE] [--json]", Short: "print the plugins of this host, and their last runs", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Annotations: exitCodes("0  the agent answered", "1  no agent answers", "2  the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print the answer of /plugins/list")
	command.RunE = func(*cobra.Command, []string) error { return pluginList(c, *asJSON) }
	return command
}

func pluginList(c *call, asJSON bool) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	answer, plugins, err := client.plugins()
	if err != nil {
		return err
	}
	text := append(answer, '\n')
	if !asJSON {
		text = pluginsText(plugins, time.Now())
	}
	_, err = c.stdout.Write(text)
	return err
}

func pluginsText(plugins []agent.PluginStatus, now time.Time) []byte {
	if len(plugins) == 0 {
		return []byte("no plugins are assigned to this host\n")
	}
	var text bytes.Buffer
	writePlugins(&text, plugins, now)
	return bytes.TrimLeft(text.Bytes(), "\n")
}

func pluginRunCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "run [-f FILE] [--timeout TIME] NS REPO [-- ARGS]", Short: "run a plugin now, and print its output", DisableFlagsInUseLine: true, Args: arguments(2, -1),
		Long:              "Makes the running agent run a plugin now, and prints its standard output, which is not delivered. The plugin's arguments follow --.",
		Example:           "agent plugin run shop.web acme/backup -- --verbose",
		Annotations:       exitCodes("0  the plugin exited with 0", "1  it failed, or was not run", "2  the command line is wrong"),
		ValidArgsFunction: c.completePlugins,
	}
	c.configFlag(command)
	timeout := command.Flags().Duration("timeout", 10*time.Second, "the `TIME` that the run may take, 1s to 1h")
	command.RunE = func(command *cobra.Command, args []string) error {
		if dash := command.ArgsLenAtDash(); len(args) > 2 && dash != 2 {
			return usageError{fmt.Sprintf("%q: write -- before the plugin's arguments", args[2])}
		}
		return runAssigned(c, args[0], args[1], args[2:], *timeout)
	}
	return command
}

// runAssigned makes the running agent run a plugin that is assigned to the host.
func runAssigned(c *call, namespace, repo string, args []string, timeout time.Duration) error {
	if timeout < time.Second || timeout > time.Hour {
		return usageError{fmt.Sprintf("--timeout %v: write 1s to 1h", timeout)}
	}
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t") {
			return usageError{fmt.Sprintf("%q: an argument of a plugin is not empty and has no blanks", arg)}
		}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	query := url.Values{
		"ns": {namespace}, "repo": {repo}, "param": {strings.Join(args, " ")},
		"timeout": {strconv.Itoa(int(timeout.Seconds()))},
	}
	// The agent ends the run at its timeout, and takes a few seconds at most.
	answer, err := client.post("/plugins/run", query, timeout+30*time.Second)
	var refused *refusal
	if errors.As(err, &refused) {
		answer = refused.body // has the output of a run that failed
	}
	var run struct{ Output string }
	if json.Unmarshal(answer, &run) == nil {
		_, writeErr := io.WriteString(c.stdout, run.Output)
		err = errors.Join(err, writeErr)
	}
	return err
}

// completePlugins completes NS and REPO with the plugins of the running agent.
func (c *call) completePlugins(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := c.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, plugins, err := client.plugins()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	for _, p := range plugins {
		switch {
		case len(given) == 0:
			words = append(words, p.Namespace)
		case p.Namespace == given[0]:
			words = append(words, p.Repo)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
