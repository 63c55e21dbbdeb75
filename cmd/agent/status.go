package main

import (
	"encoding/json"
	"fmt"

	"github.com/lodastack/agent"
)

func status(c *call) error {
	c.configFlag()
	asJSON := c.flags.Bool("json", false, "print what /me/status answers")
	if err := c.parse(false); err != nil {
		return err
	}
	cfg, err := c.readKeys("agent.listen", "api.socket", "api.tlscert", "api.tlskey")
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
