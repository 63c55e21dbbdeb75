package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestStatusSaysHowRunsAreKept(t *testing.T) {
	plugin := func(repo, user string, limits agent.PluginLimits) (p agent.PluginStatus) {
		p.Repo, p.Cell, p.User, p.Limits = repo, "cgroup", user, &limits
		return p
	}
	usual := plugin("a/a", "nobody", agent.PluginLimits{Processes: 512, Memory: 256 << 20, CPU: 1})
	special := plugin("b/b", "daemon", agent.PluginLimits{Processes: 7})
	special.NoNetwork = true
	const each = "as nobody in a sandbox (cgroup), with at most 256 MiB of memory, at most 512 processes and at most 1 cores"
	require.Equal(t, []string{"each run " + each}, sandboxLines([]agent.PluginStatus{usual, usual}))
	require.Equal(t, []string{
		"b/b run as daemon in a sandbox (cgroup), with no limit of memory, at most 7 processes and no limit of CPU, without network",
		"each other run " + each,
	}, sandboxLines([]agent.PluginStatus{special, usual, usual, special, usual}))
	require.Empty(t, sandboxLines([]agent.PluginStatus{{}}))
}
