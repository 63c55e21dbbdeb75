package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

func status(c *call) error {
	c.configFlag()
	asJSON := c.flags.Bool("json", false, "print what /me/status answers")
	if err := c.parse(false); err != nil {
		return err
	}
	cfg, err := configForStatus(c)
	if err != nil {
		return err
	}
	client, err := newClient(cfg)
	if err != nil {
		return err
	}
	answer, err := client.get("/me/status")
	if err != nil {
		return err
	}
	if *asJSON {
		_, err = fmt.Fprintf(c.stdout, "%s\n", answer)
		return err
	}
	var s agent.Status
	if err := json.Unmarshal(answer, &s); err != nil {
		return fmt.Errorf("what answers at %s is no agent: %w", client.where, err)
	}
	_, err = c.stdout.Write(statusText(s))
	return err
}

// configForStatus reads where the agent listens: a config that is wrong
// elsewhere keeps nobody from asking.
func configForStatus(c *call) (stock.Config, error) {
	cfg, err := stock.ReadConfig(c.config)
	if errors.Is(err, fs.ErrNotExist) && !c.configGiven {
		return cfg, nil
	}
	var wrong *stock.ConfigError
	if err == nil || errors.As(err, &wrong) && !wrong.Concerns("agent.listen", "api.socket", "api.tlscert", "api.tlskey") {
		return cfg, nil
	}
	return cfg, wrongConfig(err)
}
