package stock

import (
	"context"
	"fmt"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
)

// Plan asks the registry what an update would change for an agent of this config, with more
// appended to its options; see [agent.NewPlan]. It opens no files and changes nothing.
func (c Config) Plan(ctx context.Context, more ...agent.Option) (agent.Plan, error) {
	given, rest := agent.SplitOptions(more...)
	if given.Registry == nil {
		registry, err := c.Registry(nil)
		if err != nil {
			return agent.Plan{}, fmt.Errorf("agent.registryaddr: %w", err)
		}
		given.Registry = registry
	}
	var refuses func(agent.Plugin) error
	if given.PluginRunner == nil {
		refuses = gitrunner.Config{Git: c.Agent.Git, Policy: c.Policy.policy()}.CheckFetch
	}
	return agent.NewPlan(ctx, refuses, append(c.options(), agent.WithRegistry(given.Registry), rest)...)
}
