package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/safefile"
	"github.com/lodastack/agent/stock"
)

// errChanges says that an update would change something. It is no failure.
var errChanges = errors.New("an update would change something")

func plan(c *call) error {
	c.configFlag()
	asJSON := c.flags.Bool("json", false, "print the plan as JSON")
	if err := c.parse(false); err != nil {
		return err
	}
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
	if *asJSON {
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
		return errChanges
	}
	return nil
}

func planJSON(p agent.Plan) ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return append(text, '\n'), err
}

// unreadable says as whom to plan where this user may not read a file.
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
