package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/safefile"
	"github.com/lodastack/agent/stock"
)

func planCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "plan [-f FILE] [--json] | plan --fleet DIR [--from DIR] [--host NAME]... [--json]", Short: "print what an update would change, without changing it", DisableFlagsInUseLine: true, Args: arguments(0, 0),
		Long: "Asks the registry now, and prints what an update would change on this host and what its policy refuses. It changes nothing.\n\n" +
			"With --fleet it checks a working tree of a fleet repository, and prints what each host named would collect; with --from, too, how that differs from another tree. It asks nobody and reads no config.",
		Annotations: exitCodes("0  an update would change nothing; a fleet is good and changes nothing", "1  it is not known what an update would change; a fleet is refused", "2  something would change, or the command line is wrong"),
	}
	c.configFlag(command)
	asJSON := command.Flags().Bool("json", false, "print the plan as JSON")
	fleet := fleetPlan{}
	command.Flags().StringVar(&fleet.tree, "fleet", "", "check the fleet repository in this `directory`")
	command.Flags().StringVar(&fleet.from, "from", "", "the `directory` to compare the fleet repository with")
	command.Flags().StringArrayVar(&fleet.hosts, "host", nil, "a `name` of a host of the fleet")
	command.RunE = func(*cobra.Command, []string) error {
		switch {
		case fleet.tree != "":
			return fleet.print(c, *asJSON)
		case fleet.from != "" || len(fleet.hosts) > 0:
			return usageError{"--from and --host need --fleet"}
		}
		return plan(c, *asJSON)
	}
	return command
}

func plan(c *call, asJSON bool) error {
	cfg, err := stock.ReadConfigValues(c.config)
	if err != nil {
		return wrongConfig(err)
	}
	planned, err := cfg.Plan(context.Background())
	if errors.Is(err, fs.ErrPermission) {
		return unreadable(cfg, err)
	}
	if err != nil {
		return fmt.Errorf("it is not known what an update would change:\n%w", err)
	}
	text := planText(planned)
	if asJSON {
		if text, err = planJSON(planned); err != nil {
			return err
		}
	}
	if _, err := c.stdout.Write(text); err != nil {
		return err
	}
	switch {
	case planned.Missing != "":
		return fmt.Errorf("the registry's answer is not complete: %s", planned.Missing)
	case len(planned.Changes) > 0:
		return exitError{code: exitChanges}
	}
	return nil
}

func planJSON(p agent.Plan) ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return append(text, '\n'), err
}

// unreadable says which user can plan if this one may not read a file.
func unreadable(cfg stock.Config, err error) error {
	user := "the agent's user, or as root"
	// Not all users may look at what is in there, but at the directory itself.
	for _, dir := range []string{filepath.Join(cfg.DataDir(), "state"), cfg.DataDir()} {
		if owner, known := safefile.Owner(dir); known {
			user = owner
			if owner != "root" {
				user += ", or as root"
			}
			break
		}
	}
	return fmt.Errorf("a file cannot be read as this user: run it as %s (%w)", user, err)
}
