package stock

import (
	"errors"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/policy"
)

func (p PolicyConfig) check(note noteFault) {
	for _, glob := range p.Plugins {
		note("policy.plugins", policy.CheckGlob(glob))
	}
	if p.Signers != "" {
		note("policy.signers", checkPath(p.Signers))
	}
}

func (p PluginPolicy) check(note noteFault) {
	if p.Match == "" {
		note("match", errors.New("missing; write a glob of the repositories that the rule is for, \"infra/*\" for example"))
	} else {
		note("match", policy.CheckGlob(p.Match))
	}
	if p.User != "" {
		note("user", gitrunner.CheckUser(p.User))
	}
	if p.Env != "" {
		note("env", checkPath(p.Env))
	}
}

// policy returns the policy as internal/policy takes it.
func (p PolicyConfig) policy() policy.Policy {
	converted := policy.Policy{Plugins: p.Plugins, Signers: p.Signers, Pinned: p.Pinned, NoCalls: !p.Calls}
	for _, rule := range p.Plugin {
		converted.Rules = append(converted.Rules, policy.Rule{
			Match: rule.Match, User: rule.User, Env: rule.Env,
			Memory: rule.Memory, Pids: rule.Pids, CPU: rule.CPU, State: rule.State, NoNetwork: !rule.Network,
		})
	}
	return converted
}

// withPluginUsers names all users that plugins may run as.
func (c Config) withPluginUsers() ([]agent.Option, error) {
	names := []string{c.Agent.PluginsUser}
	for _, rule := range c.Policy.Plugin {
		if rule.User != "" {
			names = append(names, rule.User)
		}
	}
	uids, dynamic, err := gitrunner.UIDs(names...)
	options := []agent.Option{agent.WithPluginUsers(uids...)}
	if dynamic {
		options = append(options, agent.WithPluginUserRange(gitrunner.FirstDynamicUID, gitrunner.LastDynamicUID))
	}
	return options, err
}
