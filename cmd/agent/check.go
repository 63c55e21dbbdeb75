package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func checkCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "check [-f FILE] [--connect]", Short: "report every fault of the config", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Reads the config, and the registry files that it names, and prints every fault with its line. " +
			"Run it as the user that the agent runs as: it also checks who may read and write the agent's files. " +
			"With --connect it asks each registry, each nsqd and the git host once, and prints their answers.",
		Annotations: exitCodes("0  the config is good; with --connect: and all servers answer", "1  the config has a fault; with --connect: or a server does not answer", "2  the command line is wrong"),
	}
	c.configFlag(command)
	connects := command.Flags().Bool("connect", false, "ask each registry, each nsqd and the git host, too")
	command.RunE = func(*cobra.Command, []string) error { return check(c, *connects) }
	return command
}

func check(c *call, connects bool) error {
	cfg, err := stock.ReadConfig(c.config)
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(c.stderr, "warning:", warning)
	}
	if err != nil {
		return wrongConfig(err)
	}
	for _, address := range cfg.Agent.RegistryAddr {
		if err := checkRegistryFile(c, cfg, address); err != nil {
			return err
		}
	}
	if _, err = fmt.Fprintf(c.stdout, "%s is good\n", c.config); err != nil || !connects {
		return err
	}
	return connect(c, cfg)
}

// connect prints what each server that the config names answers.
func connect(c *call, cfg stock.Config) error {
	silent := 0
	for _, contact := range cfg.Connect(context.Background()) {
		answer := contact.Answer
		if contact.Err != nil {
			silent++
			answer = "FAILS: " + strings.ReplaceAll(contact.Err.Error(), "\n", "; ")
		}
		if _, err := fmt.Fprintf(c.stdout, "%s %s\n", contact.Who, answer); err != nil {
			return err
		}
	}
	switch silent {
	case 0:
		return nil
	case 1:
		return errors.New("one of them does not answer as it should")
	}
	return fmt.Errorf("%d of them do not answer as they should", silent)
}

// checkRegistryFile reports all faults of the registry file at the address, if it is one. A
// missing file only gets a warning.
func checkRegistryFile(c *call, cfg stock.Config, address string) error {
	if !stock.IsRegistryFile(address) {
		return nil
	}
	cfg.Agent.RegistryAddr = []string{address}
	registry, err := cfg.Registry(nil)
	if err != nil {
		return err
	}
	assignments, err := registry.Assignments(context.Background(), agent.Host{Hostname: cfg.Agent.Hostname})
	var missing *fs.PathError
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing) {
		_, err := fmt.Fprintf(c.stderr, "warning: %s: agent.registryaddr: the registry file %s does not exist yet; nothing is collected without it\n", c.config, missing.Path)
		return err
	}
	if err != nil {
		return fmt.Errorf("the registry file cannot be used:\n%w", err)
	}
	warnUnknownKinds(c, cfg, assignments)
	var problems []error
	for _, assignment := range assignments {
		for _, problem := range assignment.Problems {
			problems = append(problems, errors.New(problem))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("the registry file has items that cannot be used:\n%w", errors.Join(problems...))
	}
	return nil
}

// warnUnknownKinds warns of intervals of kinds that this program does not have.
// They are not faults: the file may be for other agents, too.
func warnUnknownKinds(c *call, cfg stock.Config, assignments []agent.Assignment) {
	host := cfg.HostConfig()
	host.Disable = nil
	var known []string
	for _, kind := range stock.HostKinds(host) {
		known = append(known, kind.Name)
	}
	for _, assignment := range assignments {
		for _, kind := range slices.Sorted(maps.Keys(assignment.Intervals)) {
			if !slices.Contains(known, kind) {
				fmt.Fprintf(c.stderr, "warning: %s: agent.registryaddr: namespace %s: intervals.%s: there is no such kind here; there are %s\n",
					c.config, assignment.Namespace, kind, strings.Join(known, " "))
			}
		}
	}
}
