package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// commit is an id as git has them.
var commit = strings.Repeat("0123456789abcdef", 3)[:40]

func TestVersionOfAPluginIsTheTagAndTheCommit(t *testing.T) {
	for want, p := range map[string]agent.PluginDetails{
		"-":           {},
		"01234567":    {Commit: commit, Version: commit},
		"v1 01234567": {Commit: commit, Version: "v1"},
	} {
		require.Equal(t, want, versionText(p))
	}
	require.Equal(t, "01234567", versionText(agent.PluginDetails{Commit: commit}))
}

func TestStatusSaysSinceWhenByWhoseWordAndBySignatureOfWhomAPluginIsInstalled(t *testing.T) {
	s := healthy()
	p := s.Plugins[0]
	p.Repo, p.Commit, p.Since, p.By, p.Signer = "ops/signed", commit, now().Add(-3*time.Hour), "rollback", "anna@example.com\x1b[2J"
	s.Plugins = append(s.Plugins, p)
	text := string(statusText(s))
	require.Regexp(t, `INSTALLED +SIGNED BY +EVERY`, text)
	require.Regexp(t, `ops/signed .* 3h0m ago by rollback +anna@example.com`, text)
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, string(statusText(healthy())), "SIGNED BY", "nothing is verified there")
}
