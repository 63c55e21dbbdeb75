package main

import (
	"encoding/json"
	"fmt"

	"github.com/lodastack/agent"
)

func status(c *call) error {
	c.configFlag()
	asJSON := c.flags.Bool("json", false, "print the answer of /me/status")
	checks := c.flags.Bool("check", false, "exit with 1 if something is wrong")
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
	var s agent.Status
	if err := json.Unmarshal(answer, &s); err != nil {
		return fmt.Errorf("the server at %s is not an agent: %w", client.where, err)
	}
	text := append(answer, '\n')
	if !*asJSON {
		text = statusText(s)
	}
	if _, err := c.stdout.Write(text); err != nil {
		return err
	}
	if wrong := len(whatIsWrong(s, statusTime(s))); *checks && wrong > 0 {
		return fmt.Errorf("something is wrong (%d)", wrong)
	}
	return nil
}
